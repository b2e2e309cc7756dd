{{ config(materialized='table') }}
select distinct customer_id from {{ source('shop', 'people') }}
