select
    id,
    {{ 'count(*)' }} as n
form {{ ref('orders') }}
