{% macro note_results(results) %}
{% if execute %}
insert into {{ target.schema }}.audit values
{% for result in results %}('{{ result.node.name }} {{ result.status }}'){% if not loop.last %}, {% endif %}{% else %}('none'){% endfor %}
{% endif %}
{% endmacro %}
{% macro note(what) %}insert into {{ target.schema }}.audit values ('{{ what }}'){% endmacro %}
