{{ config(materialized='table') }}
select id, customer_id, amount, case when id > 1 then 'old' end as kind from {{ ref('orders') }}
