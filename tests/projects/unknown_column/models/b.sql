select id + 1 as next_id from {{ ref('stg') }}
