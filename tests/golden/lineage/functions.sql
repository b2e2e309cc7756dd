-- Functions that make tables, and what is not known: the reason is said, and there is no edge.

select i, a from range(3) r(i), m.t;
-- i <-
-- a <- t.a copied

select day::date as day from generate_series(date '2024-01-01', date '2024-02-01', interval 1 day) as d(day);
-- day <-

select * from duckdb_settings();
-- unknown: the columns of duckdb_settings() are not known

select a, name from m.t, pragma_table_info('m.t');
-- unknown: the columns of pragma_table_info() are not known

select unnest(s) from m.t;
-- unknown: 1 columns were traced where the engine finds 2

select rowid from m.t;
-- unknown: column 'rowid' cannot be resolved

select "count_star()" as n from (select count(*) from m.t);
-- unknown: column 'count_star()' cannot be resolved

select * from (summarize m.u);
-- unknown: SUMMARIZE is not understood
