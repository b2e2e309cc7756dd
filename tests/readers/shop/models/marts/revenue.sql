{{ config(materialized=env_var('KEPT_AS', 'table'), tags=['daily']) }}
select
    id, country, {{ cents('amount') }} as cents, cast(date_trunc('day', ordered_at) as date) as ordered_on
from {{ ref('stg_orders') }}
left join {{ ref('shop', 'countries') }} on code = country
