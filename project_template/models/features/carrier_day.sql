{{ config(unique_key=['carrier', 'landed_on']) }}
-- An airline's day, however late its landings are reported, and gone when they are all taken back.
select
    carrier,
    cast(landed_at as date) as landed_on,
    -- Nobody knows how a day was before it is over.
    cast(cast(landed_at as date) + 1 as timestamp) as known_at,
    count(*) as flights,
    avg(arr_delay) as arr_delay_mean,
    max(arr_delay) as arr_delay_max
from {{ ref('landed_flights') }}
group by carrier, landed_on, known_at
