{% set kinds = run_query("select distinct kind from " ~ ref('kinds') ~ " order by 1") %}
{% if execute %}{% set values = kinds.columns[0].values() %}{% else %}{% set values = [] %}{% endif %}
select
    {% for kind in values %}sum(n) filter (where kind = '{{ kind }}') as {{ kind }}_n,
    {% endfor %}count(*) as n
from {{ ref('kinds') }}
