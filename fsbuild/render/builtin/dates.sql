{# dbt's macros about dates and times, in DuckDB's words. #}

{% macro default__current_timestamp() %}now(){% endmacro %}
{% macro default__current_timestamp_backcompat() %}current_timestamp::timestamp{% endmacro %}
{% macro default__current_timestamp_in_utc_backcompat() %}current_timestamp::timestamp{% endmacro %}
{% macro default__snapshot_get_time() %}now()::timestamp{% endmacro %}
{% macro default__date(year, month, day) %}make_date({{ year }}, {{ month }}, {{ day }}){% endmacro %}
{% macro default__date_trunc(datepart, date) %}date_trunc('{{ datepart }}', {{ date }}){% endmacro %}

{% macro default__dateadd(datepart, interval, from_date_or_timestamp) %}
    {#- DuckDB has no interval of a quarter; a number of units may be an expression, which `interval` does not take. -#}
    {%- set unit = datepart | lower -%}
    {%- set times, unit = (3, "month") if unit == "quarter" else (7, "day") if unit == "week" else (1, unit) -%}
    ({{ from_date_or_timestamp }} + (cast({{ interval }} as bigint) * {{ times }}) * interval 1 {{ unit }})
{%- endmacro %}

{% macro default__datediff(first_date, second_date, datepart) %}
    {%- if datepart == "week" -%}
        {#- Weeks begin on Sunday: one more has begun where the second day of the week comes before the first. -#}
        (date_diff('day', {{ first_date }}::timestamp, {{ second_date }}::timestamp) // 7 + case
            when date_part('dow', ({{ first_date }})::timestamp) <= date_part('dow', ({{ second_date }})::timestamp)
                then case when {{ first_date }} <= {{ second_date }} then 0 else -1 end
            else case when {{ first_date }} <= {{ second_date }} then 1 else 0 end
        end)
    {%- else -%}
        date_diff('{{ datepart }}', {{ first_date }}::timestamp, {{ second_date }}::timestamp)
    {%- endif -%}
{% endmacro %}

{% macro default__last_day(date, datepart) %}
    {{- "cast(" ~ dbt.dateadd("day", "-1", dbt.dateadd(datepart, "1", dbt.date_trunc(datepart, date))) ~ " as date)" -}}
{% endmacro %}

{% macro default__generate_series(upper_bound) %}
    select generate_series as generated_number from generate_series(1, {{ upper_bound }})
{% endmacro %}

{% macro default__get_powers_of_two(upper_bound) %}
    {%- if upper_bound <= 0 %}{% do exceptions.raise_compiler_error("upper bound must be positive") %}{% endif -%}
    {%- for _ in range(1, 100) if upper_bound <= 2 ** loop.index %}{{ return(loop.index) }}{% endfor -%}
{% endmacro %}

{% macro default__get_intervals_between(start_date, end_date, datepart) %}
    {%- if not execute %}{{ return(1) }}{% endif -%}
    {{ return(run_query("select " ~ dbt.datediff(start_date, end_date, datepart)).rows[0][0]) }}
{% endmacro %}

{% macro default__date_spine(datepart, start_date, end_date) %}
    with all_periods as (
        select {{ dbt.dateadd(datepart, "generate_series - 1", start_date) }} as date_{{ datepart }}
        from generate_series(1, {{ dbt.datediff(start_date, end_date, datepart) }})
    )

    select * from all_periods where date_{{ datepart }} <= {{ end_date }}
{% endmacro %}

{% macro default__convert_datetime(date_str, date_fmt) %}
    {{ return(modules.datetime.datetime.strptime(date_str | string, date_fmt)) }}
{% endmacro %}

{% macro default__dates_in_range(start_date_str, end_date_str=none, in_fmt="%Y%m%d", out_fmt="%Y%m%d") %}
    {%- set start_date = dbt.convert_datetime(start_date_str, in_fmt) -%}
    {%- set end_date = dbt.convert_datetime(end_date_str or start_date_str, in_fmt) -%}
    {%- set dates = [] -%}
    {%- for day in range((end_date - start_date).days + 1) -%}
        {%- do dates.append((start_date + modules.datetime.timedelta(days=day)).strftime(out_fmt)) -%}
    {%- endfor -%}
    {{ return(dates) }}
{% endmacro %}

{% macro default__py_current_timestring() %}
    {{ return(modules.datetime.datetime.now().strftime("%Y%m%d%H%M%S%f")) }}
{% endmacro %}
