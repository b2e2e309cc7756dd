{{ config(group='finance') }}
select * from {{ ref('kept') }}
