{% macro count_rows(name) %}
{% set found = run_query('select count(*) as n from ' ~ ref(name)) %}
{{ print('rows: ' ~ found.columns[0].values()[0]) }}
{% endmacro %}
{% macro columns_of(relation) %}
{{ return(adapter.get_columns_in_relation(relation) | map(attribute='name') | list) }}
{% endmacro %}
