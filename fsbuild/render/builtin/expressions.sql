{# dbt's cross-database macros, in DuckDB's words. `dbt.name()` looks for `duckdb__name` and `default__name` in the
   project first, and then here. #}

{% macro default__any_value(expression) %}arbitrary({{ expression }}){% endmacro %}
{% macro default__array_append(array, new_element) %}array_append({{ array }}, {{ new_element }}){% endmacro %}
{% macro default__array_concat(array_1, array_2) %}array_cat({{ array_1 }}, {{ array_2 }}){% endmacro %}
{% macro default__array_construct(inputs=[], data_type="integer") %}
    {%- if inputs %}[{{ inputs | join(", ") }}]{% else %}cast([] as {{ data_type }}[]){% endif -%}
{% endmacro %}
{% macro default__bool_or(expression) %}bool_or({{ expression }}){% endmacro %}
{% macro default__cast(field, type) %}cast({{ field }} as {{ type }}){% endmacro %}
{% macro default__cast_bool_to_text(field) %}cast({{ field }} as {{ dbt.type_string() }}){% endmacro %}
{% macro default__concat(fields) %}{{ fields | join(" || ") }}{% endmacro %}
{% macro default__equals(expr1, expr2) %}({{ expr1 }} = {{ expr2 }}){% endmacro %}
{% macro default__escape_single_quotes(expression) %}{{ expression | replace("'", "''") }}{% endmacro %}
{% macro default__except() %}except{% endmacro %}
{% macro default__hash(field) %}md5(cast({{ field }} as {{ dbt.type_string() }})){% endmacro %}
{% macro default__intersect() %}intersect{% endmacro %}
{% macro default__length(expression) %}length({{ expression }}){% endmacro %}
{% macro default__listagg(measure, delimiter_text="','", order_by_clause=none, limit_num=none) %}
    {%- if limit_num -%}
        array_to_string((array_agg({{ measure }} {{ order_by_clause or "" }}))[1:{{ limit_num }}], {{ delimiter_text }})
    {%- else -%}
        string_agg({{ measure }}, {{ delimiter_text }} {{ order_by_clause or "" }})
    {%- endif -%}
{% endmacro %}
{% macro default__position(substring_text, string_text) %}
    {{- "position(" ~ substring_text ~ " in " ~ string_text ~ ")" -}}
{% endmacro %}
{% macro default__replace(field, old_chars, new_chars) %}
    {{- "replace(" ~ field ~ ", " ~ old_chars ~ ", " ~ new_chars ~ ")" -}}
{% endmacro %}
{% macro default__right(string_text, length_expression) %}right({{ string_text }}, {{ length_expression }}){% endmacro %}
{% macro default__safe_cast(field, type) %}try_cast({{ field }} as {{ type }}){% endmacro %}
{% macro default__split_part(string_text, delimiter_text, part_number) %}
    {{- "string_split(" ~ string_text ~ ", " ~ delimiter_text ~ ")[" ~ part_number ~ "]" -}}
{% endmacro %}
{% macro default__string_literal(value) %}'{{ value }}'{% endmacro %}

{% macro default__type_string() %}{{ return(api.Column.translate_type("string")) }}{% endmacro %}
{% macro default__type_timestamp() %}{{ return(api.Column.translate_type("timestamp")) }}{% endmacro %}
{% macro default__type_float() %}{{ return(api.Column.translate_type("float")) }}{% endmacro %}
{% macro default__type_numeric() %}{{ return(api.Column.numeric_type("numeric", 28, 6)) }}{% endmacro %}
{% macro default__type_bigint() %}{{ return(api.Column.translate_type("bigint")) }}{% endmacro %}
{% macro default__type_int() %}{{ return(api.Column.translate_type("integer")) }}{% endmacro %}
{% macro default__type_boolean() %}{{ return(api.Column.translate_type("boolean")) }}{% endmacro %}
