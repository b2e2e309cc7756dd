{{ config(unique_key='flight_id') }}
-- One row for each flight that left, with what was known at its scheduled departure and the label that
-- came later. A cancelled flight has no label. Each feature has one row for each key and moment, so "the
-- latest one known by then" is never a matter of chance. The ttls are those that features/_features.yml
-- promises.
{%- set carrier_ttl, route_ttl, plane_ttl, weather_ttl = '30 days', '30 days', '60 days', '6 hours' %}
select
    flights.flight_id,
    flights.scheduled_at,
    flights.carrier,
    flights.origin,
    flights.dest,
    {{ while_fresh('carrier_delay.dep_delay_mean_7d', 'carrier_delay.landed_at', carrier_ttl) }}
        as carrier_dep_delay_mean_7d,
    {{ while_fresh('carrier_delay.late_share_7d', 'carrier_delay.landed_at', carrier_ttl) }}
        as carrier_late_share_7d,
    {{ while_fresh('route_delay.arr_delay_mean_14d', 'route_delay.landed_at', route_ttl) }}
        as route_arr_delay_mean_14d,
    {{ while_fresh('plane.arr_delay_mean_30d', 'plane.landed_at', plane_ttl) }} as plane_arr_delay_mean_30d,
    {{ while_fresh('plane.age_years', 'plane.landed_at', plane_ttl) }} as plane_age_years,
    {{ while_fresh('weather.temp', 'weather.observed_at', weather_ttl) }} as temp,
    {{ while_fresh('weather.wind_speed', 'weather.observed_at', weather_ttl) }} as wind_speed,
    {{ while_fresh('weather.precipitation', 'weather.observed_at', weather_ttl) }} as precipitation,
    {{ while_fresh('weather.visibility', 'weather.observed_at', weather_ttl) }} as visibility,
    {{ while_fresh('weather.scheduled_departures', 'weather.observed_at', weather_ttl) }}
        as origin_scheduled_departures,
    flights.dep_delay > 15 as is_late
from {{ ref('stg_flights') }} as flights
asof left join {{ ref('carrier_delay_7d') }} as carrier_delay
    on carrier_delay.carrier = flights.carrier and carrier_delay.landed_at <= flights.scheduled_at
asof left join {{ ref('route_delay_14d') }} as route_delay
    on route_delay.origin = flights.origin
    and route_delay.dest = flights.dest
    and route_delay.landed_at <= flights.scheduled_at
asof left join {{ ref('plane_history') }} as plane
    on plane.tailnum = flights.tailnum and plane.landed_at <= flights.scheduled_at
asof left join {{ ref('origin_weather') }} as weather
    on weather.origin = flights.origin and weather.known_at <= flights.scheduled_at
where not flights.is_cancelled
