select x from {{ ref('s_one') }} union all select x from {{ ref('s_two') }}
