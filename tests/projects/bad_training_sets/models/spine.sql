select 1 as carrier, 'JFK' as origin, timestamp '2020-01-02' as day, 1 as mean
