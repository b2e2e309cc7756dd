{{ config(materialized='view', alias='seen') }}
select sum(x) as total, count(*) as n, avg(x) as mean from {{ ref('below') }}
