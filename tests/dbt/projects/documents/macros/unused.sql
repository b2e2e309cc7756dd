{% macro unused(x) %}{{ x }}{% endmacro %}
