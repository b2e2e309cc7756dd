{% macro default__greeting() %}'overridden'{% endmacro %}
{% macro cents(column, places=2) -%} round({{ column }} / 100.0, {{ places }}) {%- endmacro %}
{% macro says(x) %}{% for a in varargs %}{{ a }}{% endfor %}{{ x }}{% for k, v in kwargs.items() %}{{ k }}{{ v }}{% endfor %}{% endmacro %}
{% macro wrapped() %}[{{ caller() }}]{% endmacro %}
{% macro a_list() %}{{ return([1, 2, 3]) }}{% endmacro %}
{% macro say(word) %}{{ print(word ~ '!') }}{% do log('logged', info=true) %}{% endmacro %}
{% macro fails() %}{{ exceptions.raise_compiler_error('no way') }}{% endmacro %}
{% macro default__concat(fields) %}{{ return("concat_ws('-', " ~ fields | join(', ') ~ ")") }}{% endmacro %}
