{{ config(materialized='table') }}
-- One row for each scheduled flight, all moments in UTC.
with flights as (

    select
        *,
        time_hour + to_minutes(minute) as scheduled_at,
        -- The origin's clock is five hours behind UTC, or four while daylight saving time is in force.
        (hour - hour(time_hour) + 24) % 24 = 20 as is_daylight_saving
    from {{ source('nyc', 'flights') }}

),

departures as (

    select
        flights.*,
        scheduled_at + to_minutes(dep_delay) as departed_at,
        to_hours(
            airports.utc_offset + (airports.has_daylight_saving and is_daylight_saving)::integer
        ) as dest_offset
    from flights
    -- A left join: a flight to an airport that the seed lacks must not get lost; a check will tell of it.
    left join {{ ref('airports') }} as airports on airports.airport = flights.dest

)

select
    printf('%d-%02d-%02d-%s-%d-%s', year, month, day, carrier, flight, origin) as flight_id,
    carrier,
    flight,
    tailnum,
    origin,
    dest,
    distance,
    scheduled_at,
    departed_at,
    -- The arrival is a time of day at the destination: the first one after the departure. A diverted flight
    -- has no arrival delay: it did not land where it was going, and its delay is never known.
    case
        when arr_delay is not null
            then departed_at + to_minutes(
                ({{ minute_of_day('arr_time') }} - {{ clock_minute('departed_at + dest_offset') }} + 1440)
                % 1440
            )
    end as landed_at,
    dep_delay,
    arr_delay,
    dep_time is null as is_cancelled
from departures
