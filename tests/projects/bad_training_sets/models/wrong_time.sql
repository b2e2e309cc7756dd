{{ config(materialized='training_set', event_time='origin', features=['delay']) }} select * from {{ ref('spine') }}
