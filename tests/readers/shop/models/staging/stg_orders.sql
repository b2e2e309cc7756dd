-- depends_on: nothing else
select id, customer_id, country, amount, cast(ordered_at as timestamp) as ordered_at
from {{ source('raw', 'orders') }}
where amount >= {{ var('smallest') }}
