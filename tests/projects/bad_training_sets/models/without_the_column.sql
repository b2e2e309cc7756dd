{{ config(materialized='training_set', event_time='dy', features=['delay']) }} select * from {{ ref('spine') }}
