{{ config(materialized='table') }}
with mine as (select * from {{ ref('middle') }})
select mine.x, b.x as other from mine cross join {{ ref('base') }} as b
