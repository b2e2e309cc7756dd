{{ config(materialized='table') }}
select 1 as id, 'a' as kind, null as empty union all select 2, 'b', 3 union all select 2, 'c', null
