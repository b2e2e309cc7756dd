select id from {{ ref('doubled') }} where y > 100
