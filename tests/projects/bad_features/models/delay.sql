select 'AA' as carrier, timestamp '2020-01-01' as ts, 1.5 as mean
