{{ config(materialized='training_set', event_time='day', features=['delay']) }} select 'AA' as carrier, date '2020-01-02' as day
