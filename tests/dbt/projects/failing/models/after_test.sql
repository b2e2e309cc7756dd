select * from {{ ref('tested') }}
