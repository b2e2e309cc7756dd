{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=['carrier', 'landed_on'],
    )
}}
-- An airline's day. A landing can be reported late, so an increment computes the last days again, each of
-- them whole. What is reported more than three days late, or taken back so that a day has no landing left,
-- takes `fsbuild run --full-refresh`.
select
    carrier,
    cast(landed_at as date) as landed_on,
    count(*) as flights,
    avg(arr_delay) as arr_delay_mean,
    max(arr_delay) as arr_delay_max
from {{ ref('landed_flights') }}
{% if is_incremental() %}
where cast(landed_at as date) >= (select coalesce(max(landed_on) - 3, date '0001-01-01') from {{ this }})
{% endif %}
group by carrier, landed_on
