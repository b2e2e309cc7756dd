select id, sum(amount) as total
from {{ source('raw', 'orders') }}
group by id
