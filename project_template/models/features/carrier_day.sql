{{ config(unique_key=['carrier', 'landed_on']) }}
-- An airline's day, however late its landings are reported, and gone when they are all taken back.
select
    carrier,
    cast(landed_at as date) as landed_on,
    count(*) as flights,
    avg(arr_delay) as arr_delay_mean,
    max(arr_delay) as arr_delay_max
from {{ ref('landed_flights') }}
group by carrier, landed_on
