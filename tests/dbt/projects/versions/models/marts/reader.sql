select id, 'latest' as kind from {{ ref('people') }}
union all select id, 'first' from {{ ref('people', v=1) }}
union all select id, 'second' from {{ ref('versions', 'people', version=2) }}
union all select id, called || version from {{ ref('people', v='next') }}
