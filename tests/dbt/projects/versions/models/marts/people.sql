select id, name, born from {{ ref('given') }}
