{{ config(materialized='ephemeral') }}
-- The flights whose delay is known, and since when: only these may feed a feature.
select
    flight_id,
    carrier,
    tailnum,
    origin,
    dest,
    scheduled_at,
    landed_at,
    dep_delay,
    arr_delay
from {{ ref('stg_flights') }}
where landed_at is not null
