{{ config(materialized='incremental', unique_key=['id', 'part']) }}
select * from (values (1, 'x', 5), (1, 'x', 6), (2, null, 7), (3, 'y', 8)) as t(id, part, v)
