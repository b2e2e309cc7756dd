select x + 1 as x, '{{ this }}' = '{{ this }}' as same, '{{ this.schema }}.{{ this.name }}' as here from {{ ref('a') }}
