{{ config(unique_key=['origin', 'dest', 'landed_at']) }}
-- How late a route has been lately, at every moment at which a flight on it lands.
with windows as (

    select
        origin,
        dest,
        landed_at,
        avg(arr_delay) over past_fortnight as arr_delay_mean_14d,
        max(arr_delay) over past_fortnight as arr_delay_max_14d,
        count(*) over past_fortnight as flights_14d
    from {{ ref('landed_flights') }}
    window past_fortnight as {{ known_in_past(14, key='origin, dest') }}

)

select distinct * from windows
