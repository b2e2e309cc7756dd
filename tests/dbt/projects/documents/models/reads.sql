select o.id, p.amount from {{ ref('orders', v=1) }} as o join {{ ref('orders') }} as p using (id)
