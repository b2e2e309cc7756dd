select id, name from {{ ref('given') }}
