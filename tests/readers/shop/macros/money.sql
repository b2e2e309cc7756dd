{# What money is counted in. #}
{% macro cents(column) -%}
    cast({{ rounded(column ~ ' * 100') }} as bigint)
{%- endmacro %}

{%- macro rounded(sql) -%}round({{ sql }}){%- endmacro -%}
