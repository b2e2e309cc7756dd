select id from {{ ref('things') }}
