select id, x * {{ var('factor', 2) }} as y, {{ now() }} as n from {{ ref('source_rows') }} {% if is_incremental() %} where id > 1 {% endif %}
