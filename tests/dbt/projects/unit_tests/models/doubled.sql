select id, x * {{ var('factor', 2) }} as y, {{ five() }} as n from {{ ref('source_rows') }}
