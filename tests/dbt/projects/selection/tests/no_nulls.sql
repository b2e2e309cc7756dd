select x from {{ ref('m_two') }} where x is null
