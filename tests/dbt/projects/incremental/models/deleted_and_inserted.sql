{{ config(unique_key='day', incremental_strategy='delete+insert') }}
select * from {{ ref('events') }}
