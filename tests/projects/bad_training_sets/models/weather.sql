select 'JFK' as airport, timestamptz '2020-01-01 00:00:00+00' as seen, timestamptz '2020-01-01 00:00:00+00' as known, 1.5 as temp
