{% test dbt_row_count(model, least) %}
{{ config(fail_calc='coalesce(max(missing), 0)') }}
select {{ least }} - count(*) as missing from {{ model }} having count(*) < {{ least }}
{% endtest %}
