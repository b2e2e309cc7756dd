{% macro dbt_utils_like_star(from, except=[]) %}
{%- if not execute -%}{{ return('*') }}{%- endif -%}
{%- for column in adapter.get_columns_in_relation(from) if column.name not in except -%}
{{ column.quoted }} /* {{ column.data_type }} {{ column.is_string() }} {{ column.dtype }} */{{ ", " if not loop.last }}
{%- endfor -%}
{% endmacro %}
