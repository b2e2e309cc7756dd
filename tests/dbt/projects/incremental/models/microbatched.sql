{{ config(incremental_strategy='microbatch', event_time='day', begin='2024-01-01', batch_size='day', lookback=10000, full_refresh=false, enabled=false) }}
select * from {{ ref('events') }}
