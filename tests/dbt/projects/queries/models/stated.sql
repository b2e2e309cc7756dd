-- depends_on: {{ ref('kinds') }}
{%- call statement('biggest', fetch_result=True) -%}
select kind, n from {{ ref('kinds') }} order by n desc limit 1
{%- endcall -%}
{% set found = load_result('biggest') %}
select '{{ found["data"][0][0] if found else "" }}' as kind, {{ found.table.rows[0]['n'] if found else 0 }} as n, '{{ (found.table.column_names if found else []) | join(",") }}' as names
