-- Aggregates: values over many rows, what they are grouped by, and what steers one of them alone.

-- rows are counted, not columns
select count(*) as n from m.t;
-- n <-

select count(*) as n from m.t where a > 0;
-- * <- t.a filters
-- n <-

select id, sum(a + b) as x from m.t group by id;
-- * <- t.id groups
-- id <- t.id copied
-- x <- t.a aggregated, t.b aggregated

select id as k, sum(a) + 1 as x from m.t group by k;
-- * <- t.id groups
-- k <- t.id copied
-- x <- t.a aggregated

select a + 1 as k, max(b) as x from m.t group by 1;
-- * <- t.a groups
-- k <- t.a transformed
-- x <- t.b aggregated

select id, a, sum(b) as x from m.t group by all;
-- * <- t.id groups, t.a groups
-- id <- t.id copied
-- a <- t.a copied
-- x <- t.b aggregated

-- in HAVING, a may be the alias as well as the column: both count
select id, sum(b) as a from m.t group by id having a > 1;
-- * <- t.id groups, t.a filters, t.b filters
-- id <- t.id copied
-- a <- t.b aggregated

select id from m.t group by id having count(*) > 1 and max(ts) is not null;
-- * <- t.id groups, t.ts filters
-- id <- t.id copied

select a, count(*) as n from m.t group by rollup (a, b);
-- * <- t.a groups, t.b groups
-- a <- t.a copied
-- n <-

select id, a, sum(b) as x from m.t group by cube (id, 2);
-- * <- t.id groups, t.a groups
-- id <- t.id copied
-- a <- t.a copied
-- x <- t.b aggregated

select id, a, b, count(*) as n from m.t group by (1, 2), rollup (b, (3));
-- * <- t.id groups, t.a groups, t.b groups
-- id <- t.id copied
-- a <- t.a copied
-- b <- t.b copied
-- n <-

select id, a, count(*) as n from m.t group by grouping sets ((1), (2), ());
-- * <- t.id groups, t.a groups
-- id <- t.id copied
-- a <- t.a copied
-- n <-

select id, a, count(*) as n from m.t group by grouping sets ((id), (a), ());
-- * <- t.id groups, t.a groups
-- id <- t.id copied
-- a <- t.a copied
-- n <-

-- a FILTER steers its aggregate, and no row
select sum(a) filter (where b > 0) as x, sum(a) as y from m.t;
-- x <- t.a aggregated, t.b filters
-- y <- t.a aggregated

select count(*) filter (where b > 0 and ts is not null) as n from m.t;
-- n <- t.b filters, t.ts filters

-- so does an order in an aggregate
select list(a order by b) as x, string_agg(id, ',' order by ts desc) as y from m.t;
-- x <- t.a aggregated, t.b orders
-- y <- t.id aggregated, t.ts orders

select first(a order by a) as x from m.t;
-- x <- t.a aggregated, t.a orders

select array_agg(distinct a order by a) filter (where b = 1) as x from m.t;
-- x <- t.a aggregated, t.a orders, t.b filters

-- what arg_max goes by is an argument like any other
select arg_max(a, ts) as w, arg_max_null(a, ts) as x, mad(b) as y from m.t;
-- w <- t.a aggregated, t.ts aggregated
-- x <- t.a aggregated, t.ts aggregated
-- y <- t.b aggregated

select percentile_cont(0.5) within group (order by a) as x, mode() within group (order by b) as y from m.t;
-- x <- t.a aggregated
-- y <- t.b aggregated

select a.max() as y, id from m.v group by id;
-- * <- v.id groups
-- y <- v.a aggregated
-- id <- v.id copied

select max(x) as y from (select a + b as x from m.t);
-- y <- t.a aggregated, t.b aggregated

select x + 1 as y from (select max(a) as x from m.t);
-- y <- t.a aggregated

-- the rows that an aggregate sees are those of the query below it
select sum(a) as x from (select id, max(a) as a from m.t where b > 0 group by id);
-- * <- t.id groups, t.b filters
-- x <- t.a aggregated

select k, s, count(*) as n from (select id as k, sum(a) as s from m.t group by 1) group by all;
-- * <- t.id groups, t.a groups
-- k <- t.id copied
-- s <- t.a aggregated
-- n <-
