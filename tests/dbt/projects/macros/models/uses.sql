{%- set items = a_list() -%}
select
    {{ cents('250') }} as euros,
    {{ cents(column='255', places=0) }} as whole,
    {{ helpers.twice(21) }} as doubled,
    {{ helpers.greeting() }} as greeting,
    '{{ says("x", "y", z=1) }}' as said,
    '{% call wrapped() %}inner{% endcall %}' as called,
    {{ items | sum }} as total,
    {{ macros.cents('100') }} as own_package,
    {{ dbt.concat(["'a'", "'b'"]) }} as joined
