{% test is_above(model, column_name, at_most) %}
select * from {{ model }} where {{ column_name }} <= {{ at_most }}
{% endtest %}
