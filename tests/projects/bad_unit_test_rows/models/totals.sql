{{ config(materialized='table') }}
select orders.id, amount, placed_on, name, [amount] as amounts
from {{ ref('orders') }} as orders join {{ ref('customers') }} as customers using (id)
