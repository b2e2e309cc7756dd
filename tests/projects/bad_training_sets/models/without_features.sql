{{ config(materialized='training_set', event_time='day') }} select * from {{ ref('spine') }}
