select x from {{ ref('m_one') }}
