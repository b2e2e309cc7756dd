{{ config(event_time='scheduled_at', features=['delay_risk']) }}
-- One row for each flight that left, and the label, which came later; a cancelled flight has none. What was
-- known of its airline, its route, its plane and the weather at its scheduled departure is joined to it.
select
    flight_id,
    scheduled_at,
    carrier,
    origin,
    dest,
    tailnum,
    dep_delay > 15 as is_late
from {{ ref('stg_flights') }}
where not is_cancelled
