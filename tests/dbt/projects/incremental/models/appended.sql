select * from {{ ref('events') }}
{% if is_incremental() %}
where day > (select max(day) from {{ this }})
{% endif %}
