{% macro now() %}5{% endmacro %}
