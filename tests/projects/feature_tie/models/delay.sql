select * from (values ('AA', timestamp '2020-01-01', 1), ('AA', timestamp '2020-01-01', 2)) as t(carrier, ts, mean)
