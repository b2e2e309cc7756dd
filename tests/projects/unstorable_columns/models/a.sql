{{ config(materialized='table') }}
select time '10:00' as at, interval 1 day as lag, 1 as id, 2 as ID, count(*) from range(3)
