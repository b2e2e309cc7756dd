select 1 as id, 10 as amount, date '2024-01-01' as ordered_on
