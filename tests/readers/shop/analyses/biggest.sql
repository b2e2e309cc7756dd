select * from {{ ref('revenue') }} order by cents desc
