-- Hourly weather at the three airports. An observation of an hour is counted as known when that hour is over.
select
    origin,
    time_hour as observed_at,
    time_hour + interval 1 hour as known_at,
    temp,
    dewp as dew_point,
    humid as humidity,
    -- In February Newark reports 1,048 miles per hour, which no wind can reach; nothing else is above 45.
    case when wind_speed <= 300 then wind_speed end as wind_speed,
    precip as precipitation,
    visib as visibility
from {{ source('nyc', 'weather') }}
