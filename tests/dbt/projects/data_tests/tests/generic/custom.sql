{% test is_odd_count(model, times) %}
select n from (select count(*) * {{ times }} as n from {{ model }}) where n % 2 = 0
{% endtest %}
