-- CTEs: what is read twice is traced once, what is read by nobody not at all.

with x as (select a + 1 as k from m.t) select k from x;
-- k <- t.a transformed

with x(p, q) as (select a, b from m.t) select q, p from x;
-- q <- t.b copied
-- p <- t.a copied

with x as (select a from m.t), y as (select a as z from x) from y;
-- z <- t.a copied

-- the inner x hides the outer one, and is made of it
with x as (select a from m.t) select * from (with x as (select a + 1 as a from x) from x);
-- a <- t.a transformed

-- a CTE hides an input only where that is not named in full
with t as (select c as a from m.u) select a from t;
-- a <- u.c copied

with t as (select c as a from m.u) select t.a, o.b from t, m.t as o;
-- a <- u.c copied
-- b <- t.b copied

with unused as (select a from m.t where b > 0) select c from m.u;
-- c <- u.c copied

with x as (select id, a from m.t where b > 0) select p.a, q.id from x p join x q using (id);
-- * <- t.b filters, t.id joins
-- a <- t.a copied
-- id <- t.id copied

with x as materialized (select a from m.t), y as not materialized (select c from m.u) select a, c from x, y;
-- a <- t.a copied
-- c <- u.c copied

-- a CTE of a query in an expression
select (with x as (select max(c) as m from m.u) select m from x) as top, a from m.t;
-- top <- u.c aggregated
-- a <- t.a copied

-- the usual chain: read, clean, aggregate, select
with
    source as (select * from m.t),
    cleaned as (select id, coalesce(a, 0) as amount, ts from source where b is not null),
    daily as (select id, date_trunc('day', ts) as day, sum(amount) as total from cleaned group by all),
    final as (select *, lag(total) over (partition by id order by day) as before from daily)
select * from final;
-- * <- t.b filters, t.id groups, t.ts groups
-- id <- t.id copied
-- day <- t.ts transformed
-- total <- t.a aggregated
-- before <- t.a aggregated, t.id partitions, t.ts orders

-- recursion: whatever goes round any number of times
with recursive r(n) as (select id from m.t union all select c from r join m.u on r.n = u.id) select n from r;
-- * <- t.id joins, u.c joins, u.id joins
-- n <- t.id copied, u.c copied

with recursive r as (select a as n from m.t union all select n + 1 from r where n < 3) from r;
-- * <- t.a filters
-- n <- t.a transformed

with recursive r(k, up, depth) as (
    select id, a, 0 from m.t where b > 0
    union
    select r.k, t.a, depth + 1 from r join m.t on t.id = r.up
)
select k, max(depth) as depth from r group by k;
-- * <- t.b filters, t.id joins, t.a joins, t.id groups, t.a groups
-- k <- t.id copied
-- depth <-

with recursive r(i, n) using key (i) as (select id, a from m.t union select i, n from r where false) from r;
-- unknown: a recursive query with USING KEY is not understood
