{{ config(materialized='incremental', unique_key='idd') }}
select 1 as id
