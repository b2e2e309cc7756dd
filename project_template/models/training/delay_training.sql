-- One row for each flight that left, with what was known at its scheduled departure and the label that came later.
-- Each feature has one row for each key and moment, so "the latest one known by then" is never a matter of chance.
select
    flights.flight_id,
    flights.scheduled_at,
    flights.carrier,
    flights.origin,
    flights.dest,
    carrier_delay.dep_delay_mean_7d as carrier_dep_delay_mean_7d,
    carrier_delay.late_share_7d as carrier_late_share_7d,
    route_delay.arr_delay_mean_14d as route_arr_delay_mean_14d,
    plane.arr_delay_mean_30d as plane_arr_delay_mean_30d,
    plane.age_years as plane_age_years,
    weather.temp,
    weather.wind_speed,
    weather.precipitation,
    weather.visibility,
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
