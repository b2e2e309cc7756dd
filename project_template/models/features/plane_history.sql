{{ config(unique_key=['tailnum', 'landed_at']) }}
-- What is known of a plane each time it lands: how much it has flown lately, how late, how old it is.
with landings as (

    select
        tailnum,
        landed_at,
        count(*) over past_month as flights_30d,
        avg(arr_delay) over past_month as arr_delay_mean_30d
    from {{ ref('landed_flights') }}
    where tailnum is not null
    window past_month as {{ known_in_past(30, key='tailnum') }}

)

select distinct
    landings.*,
    year(landings.landed_at) - planes.built_in as age_years,
    planes.seats
from landings
left join {{ ref('stg_planes') }} as planes using (tailnum)
