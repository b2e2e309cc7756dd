{{ config(materialized='table', pre_hook=[]) }}
-- depends_on: {{ ref('second') }}
select what, count(*) as n from {{ target.schema }}.audit group by all
