select * from {{ ref('things') }} where id > 100
