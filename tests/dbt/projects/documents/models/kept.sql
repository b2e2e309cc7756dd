{{ config(materialized='table', group='finance', access='private') }}
select id from {{ ref('orders', version=2) }}
