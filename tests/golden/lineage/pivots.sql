-- PIVOT and UNPIVOT.

-- the field decides what each made column sees; a row is there for each group, whatever the field has
pivot (select id, a, b from m.t) on a in (1, 2) using sum(b);
-- * <- t.id groups
-- id <- t.id copied
-- 1 <- t.b aggregated, t.a filters
-- 2 <- t.b aggregated, t.a filters

from (select id, a, b from m.t) pivot (sum(b) as s, max(b) as m for a in (1, 2) group by id);
-- * <- t.id groups
-- id <- t.id copied
-- 1_s <- t.b aggregated, t.a filters
-- 1_m <- t.b aggregated, t.a filters
-- 2_s <- t.b aggregated, t.a filters
-- 2_m <- t.b aggregated, t.a filters

-- the made columns have names, by which they are found again
select id, "1_s" + "-2_s" as x from (from (select id, a, b from m.t) pivot (sum(b) as s for a in (1, -2)));
-- * <- t.id groups
-- id <- t.id copied
-- x <- t.b aggregated, t.a filters

select one, "2_4" as y from (from (select id, a, b from m.t) pivot (max(id) for a in (1, 2) b in (3, 4))) as p(one);
-- one <- t.id aggregated, t.a filters, t.b filters
-- y <- t.id aggregated, t.a filters, t.b filters

-- what is not used is grouped by: count(*) leaves b
pivot (select id, a, b from m.t) on a in (1) using count(*);
-- * <- t.id groups, t.b groups
-- id <- t.id copied
-- b <- t.b copied
-- 1 <- t.a filters

with x as (select id, a, b from m.t where ts is not null)
select * from x pivot (max(b) for a in (1, 2)) order by id limit 3;
-- * <- t.ts filters, t.id groups, t.id orders
-- id <- t.id copied
-- 1 <- t.b aggregated, t.a filters
-- 2 <- t.b aggregated, t.a filters

-- NULLs make no row
unpivot (select id, a, b from m.t) on a, b into name n value v;
-- * <- t.a filters, t.b filters
-- id <- t.id copied
-- n <-
-- v <- t.a copied, t.b copied

from (select id, a, b from m.t) unpivot (v for n in (a, b));
-- * <- t.a filters, t.b filters
-- id <- t.id copied
-- n <-
-- v <- t.a copied, t.b copied

from (select id, a, b from m.t) unpivot include nulls (v for n in (a, b));
-- id <- t.id copied
-- n <-
-- v <- t.a copied, t.b copied
