{{ config(materialized='ephemeral') }}
with doubled as (select x * 2 as x from {{ ref('base') }})
select x from doubled
