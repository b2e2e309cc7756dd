select nothing_like_that from {{ ref('fine') }}
