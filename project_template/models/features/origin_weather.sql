{{ config(unique_key=['origin', 'observed_at']) }}
-- The weather at an airport hour by hour, beside how many departures were scheduled in that hour.
with scheduled as (

    select
        origin,
        date_trunc('hour', scheduled_at) as observed_at,
        count(*) as scheduled_departures
    from {{ ref('stg_flights') }}
    group by all

)

select
    weather.origin,
    weather.observed_at,
    weather.known_at,
    weather.temp,
    weather.wind_speed,
    weather.precipitation,
    weather.visibility,
    coalesce(scheduled.scheduled_departures, 0) as scheduled_departures
from {{ ref('stg_weather') }} as weather
left join scheduled using (origin, observed_at)
