{{ config(materialized='incremental', unique_key='id') }}
select * from {{ ref('orders') }}
{% if is_incremental() %} where placed_on > (select max(placed_on) from {{ this }}) {% endif %}
