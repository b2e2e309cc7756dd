select {{ dbt_utils_like_star(ref('kinds'), except=['n']) }} from {{ ref('kinds') }}
