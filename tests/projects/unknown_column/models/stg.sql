select id, custmer_id, amount from {{ ref('orders') }}
