{% macro return_of() %}{% do return('value') %}never{% endmacro %}
{% macro diff_of_types(x) %}{{ x is number }} {{ x is string }} {{ none is none }}{% endmacro %}
