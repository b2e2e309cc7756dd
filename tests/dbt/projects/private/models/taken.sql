select * from {{ ref('kept') }}
