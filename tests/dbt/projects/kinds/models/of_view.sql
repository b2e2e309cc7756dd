{{ config(materialized='table', schema='marts') }}
select total::double / n as r, '{{ ref("a_view").identifier }}' as seen_as from {{ ref('a_view') }}
