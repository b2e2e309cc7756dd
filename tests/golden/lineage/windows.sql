-- Windows: what they are partitioned and ordered by steers the one column that is computed over them.

select a, row_number() over (partition by id order by ts) as n from m.t;
-- a <- t.a copied
-- n <- t.id partitions, t.ts orders

select lag(a) over (order by ts) as x, sum(b) over () + id as y from m.t;
-- x <- t.a aggregated, t.ts orders
-- y <- t.b aggregated, t.id transformed

-- of several ways in which one column makes another the strongest counts
select a + max(a) over () as x, a as y from m.t;
-- x <- t.a aggregated
-- y <- t.a copied

select sum(a) over (partition by id + b order by ts, a desc) as x from m.t;
-- x <- t.a aggregated, t.a orders, t.id partitions, t.b partitions, t.ts orders

-- the frame says which rows are seen
select sum(a) over (partition by id order by ts rows between b preceding and current row) as x from m.t;
-- x <- t.a aggregated, t.id partitions, t.ts orders, t.b filters

select avg(a) over (partition by id order by ts range between interval 7 days preceding and current row) as x from m.t;
-- x <- t.a aggregated, t.id partitions, t.ts orders

select sum(a) filter (where b > 0) over (partition by id) as x from m.t;
-- x <- t.a aggregated, t.b filters, t.id partitions

select last_value(a ignore nulls) over (order by ts) as x, sum(a order by b) over (partition by id) as y from m.t;
-- x <- t.a aggregated, t.ts orders
-- y <- t.a aggregated, t.b orders, t.id partitions

select sum(a) over w as x, b from m.t window w as (partition by id);
-- x <- t.a aggregated, t.id partitions
-- b <- t.b copied

-- a named window can be narrowed, and one that nobody uses steers nothing
select sum(a) over (w order by ts) as x from m.t window w as (partition by id), v as (partition by b);
-- x <- t.a aggregated, t.id partitions, t.ts orders

select sum(a) over w2 as x from m.t window w as (partition by id), w2 as (w order by ts);
-- x <- t.a aggregated, t.id partitions, t.ts orders

-- a query within another one may use its windows, of columns of its own
select (select sum(c) over w from m.u limit 1) as x from m.t window w as (partition by id);
-- x <- u.c aggregated, u.id partitions

-- rows that are chosen by a window are steered by what it is made of, each in its way
select a from m.t qualify row_number() over (partition by id order by ts) = 1;
-- * <- t.id partitions, t.ts orders
-- a <- t.a copied

select a, max(b) over (partition by id) as top from m.t qualify b = top;
-- * <- t.b filters, t.id partitions
-- a <- t.a copied
-- top <- t.b aggregated, t.id partitions

select id, a from (select *, row_number() over (partition by id order by ts desc) as n from m.t) where n = 1;
-- * <- t.id partitions, t.ts orders
-- id <- t.id copied
-- a <- t.a copied

-- a row number that is a value goes on as one
select n + 1 as k from (select row_number() over (order by ts) as n from m.t);
-- k <- t.ts orders

select n, count(*) as many from (select rank() over (order by a) as n from m.t) group by n;
-- * <- t.a orders
-- n <- t.a orders
-- many <-

-- windows over groups
select id, sum(sum(a)) over (order by id) as x from m.t group by id;
-- * <- t.id groups
-- id <- t.id copied
-- x <- t.a aggregated, t.id orders
