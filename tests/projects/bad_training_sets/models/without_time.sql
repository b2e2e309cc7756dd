{{ config(materialized='training_set', features=['delay']) }} select * from {{ ref('spine') }}
