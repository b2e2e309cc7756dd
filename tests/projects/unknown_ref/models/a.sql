select *
from {{ ref('order') }}
join {{ ref('custmers') }} using (id)
