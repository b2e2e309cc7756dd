select cast('x' || x as integer) as x from {{ ref('fine') }}
