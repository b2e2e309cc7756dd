select *
from {{ ref('margins') }}
