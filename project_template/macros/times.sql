{# The minute of the day of a clock time that is written as a number: 517 is 5:17, and 2400 is midnight. #}
{% macro minute_of_day(clock) -%}
    (({{ clock }} // 100) * 60 + {{ clock }} % 100)
{%- endmacro %}

{# The minute of the day of a timestamp. #}
{% macro clock_minute(moment) -%}
    (hour({{ moment }}) * 60 + minute({{ moment }}))
{%- endmacro %}

{# A window over what became known in the past days, the present moment included. #}
{% macro known_in_past(days, key, moment='landed_at') -%}
    (
        partition by {{ key }}
        order by {{ moment }}
        range between interval {{ days }} days preceding and current row
    )
{%- endmacro %}
