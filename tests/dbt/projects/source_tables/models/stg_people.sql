-- depends_on: {{ ref('raw_people') }}
select * from {{ source('ecom', 'raw_people') }}
