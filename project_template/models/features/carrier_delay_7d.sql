{{ config(unique_key=['carrier', 'landed_at']) }}
-- How late an airline's flights have been lately, as it is known at every moment at which one of them lands.
with windows as (

    select
        carrier,
        landed_at,
        avg(dep_delay) over past_week as dep_delay_mean_7d,
        avg((dep_delay > 15)::integer) over past_week as late_share_7d,
        count(*) over past_week as flights_7d
    from {{ ref('landed_flights') }}
    window past_week as {{ known_in_past(7, key='carrier') }}

)

-- Flights that land in the same minute see the same window: one row tells it.
select distinct * from windows
