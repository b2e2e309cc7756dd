select x from {{ ref('s_three') }}
