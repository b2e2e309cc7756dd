{{ config(severity='error', error_if='>10', warn_if='>=2', fail_calc='sum(id)') }}
select * from {{ ref('below') }} where id = 2
