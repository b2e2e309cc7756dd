{{ config(tags=['bad']) }}
select * from {{ ref('below') }} where id = 2
