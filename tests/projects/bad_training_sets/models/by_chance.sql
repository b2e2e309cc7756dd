{{ config(materialized='training_set', event_time='day', features=['delay'], splits={'by': 'plane', 'train': 0.8}) }} select 'AA' as carrier, date '2020-01-01' as day, random() as dice
