select * from {{ source('shop', 'broken') }}
