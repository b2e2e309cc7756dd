select * from {{ ref('totals') }} where amount > {{ var('limit', 100) }}
