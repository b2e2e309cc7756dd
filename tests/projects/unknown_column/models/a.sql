{# the columns are checked against the model below #}
with totals as (
    select customer_id, sum(amount) as total
    from {{ ref('orders') }}
    group by customer_id
)
select
    customer,
    totals.totl
from totals
join (select *, 'x' as kind from {{ ref('orders') }}) as o on o.customer_id = totals.customer_id
