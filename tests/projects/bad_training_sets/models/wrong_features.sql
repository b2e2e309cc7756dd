{{ config(materialized='training_set', event_time='day', features=['delay:maen', 'weather', 'rank']) }} select * from {{ ref('spine') }}
