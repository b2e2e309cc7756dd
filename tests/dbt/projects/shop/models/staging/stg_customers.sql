with source as (

    {#-
    A comment of the template, with {{ ref('nothing') }} in it.
    #}
    select * from {{ ref('raw_customers') }}

),

renamed as (
    select id as customer_id, first_name, last_name from source
)

select * from renamed
