select id,
    customer_id
from {{ source('raw', 'orders') }}
