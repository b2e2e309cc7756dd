{{ config(features=['delay']) }} select 1 as id
