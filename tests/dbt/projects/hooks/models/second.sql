-- depends_on: {{ ref('first') }}
{{ config(materialized='table', post_hook="insert into {{ target.schema }}.audit select 'rows ' || count(*) from {{ this }}") }}
select 2 as x
