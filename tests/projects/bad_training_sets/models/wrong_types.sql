{{ config(materialized='training_set', event_time='day', features=['delay:mean', {'model': 'weather', 'keys': {'airport': 'origin', 'airprt': 'dest'}}]) }} select * from {{ ref('spine') }}
