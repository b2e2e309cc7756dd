select * from {{ ref('helpers', 'packaged') }} union all select * from {{ ref('packaged') }}
