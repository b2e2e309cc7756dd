{{ config(materialized='incremental', unique_key='country', incremental_strategy='delete+insert', on_schema_change='append_new_columns') }}
select country, cast(sum(cents) as bigint) as cents from {{ ref('revenue') }}
{% if is_incremental() %} where true {% endif %}
group by country
