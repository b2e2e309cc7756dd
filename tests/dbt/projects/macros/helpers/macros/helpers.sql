{% macro twice(x) %}{{ return(adapter.dispatch('twice', 'helpers')(x)) }}{% endmacro %}
{% macro default__twice(x) %}({{ x }}) * 2{% endmacro %}
{% macro duckdb__twice(x) %}({{ x }}) * 2.5{% endmacro %}
{% macro greeting() %}{{ return(adapter.dispatch('greeting', 'helpers')()) }}{% endmacro %}
{% macro default__greeting() %}'from the package'{% endmacro %}
{% macro say_too() %}{{ print('too') }}{% endmacro %}
{% test larger_than(model, column_name, bound) %}
select * from {{ model }} where {{ column_name }} <= {{ bound }}
{% endtest %}
