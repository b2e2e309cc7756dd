-- Queries in expressions: what steers their rows steers the one value that they make.

select (select max(c) from m.u where u.id = t.id) as x, b from m.t;
-- x <- u.c aggregated, u.id filters, t.id filters
-- b <- t.b copied

select (select c from m.u order by ts desc limit 1) as x;
-- x <- u.c copied, u.ts orders

select a from m.t where b > (select avg(c) from m.u where ts is not null);
-- * <- t.b filters, u.c filters, u.ts filters
-- a <- t.a copied

select a from m.t where exists (select 1 from m.u where u.id = t.id);
-- * <- u.id filters, t.id filters
-- a <- t.a copied

select a from m.t where not exists (from m.u join m.v using (id) where u.id = t.id);
-- * <- u.id joins, v.id joins, u.id filters, t.id filters
-- a <- t.a copied

-- whether there is a row depends on no value of it
select exists (select c from m.u where u.id = t.id) as x from m.t;
-- x <- u.id filters, t.id filters

select a from m.t where id in (select id from m.u where c > 0);
-- * <- t.id filters, u.id filters, u.c filters
-- a <- t.a copied

select a in (select c from m.u where ts is null) as x from m.t;
-- x <- t.a transformed, u.c transformed, u.ts filters

select a from m.t where (a, b) not in (select id, c from m.u);
-- * <- t.a filters, t.b filters, u.id filters, u.c filters
-- a <- t.a copied

select a > all (select c from m.u) as x, b = any (select id from m.u) as y from m.t;
-- x <- t.a transformed, u.c transformed
-- y <- t.b transformed, u.id transformed

select array(select c from m.u order by ts) as x;
-- x <- u.c transformed, u.ts orders

select a as x, (select x + c from m.u limit 1) as y from m.t;
-- x <- t.a copied
-- y <- t.a transformed, u.c transformed

-- the correlation reaches out by two queries
select (select max(c) from m.u where exists (select 1 from m.v where v.id = u.id and v.a = t.a)) as x from m.t;
-- x <- u.c aggregated, v.id filters, u.id filters, v.a filters, t.a filters

-- a group's value, used by a filter of an aggregate
select id, sum(a) filter (where b > (select avg(c) from m.u)) as x from m.t group by id;
-- * <- t.id groups
-- id <- t.id copied
-- x <- t.a aggregated, t.b filters, u.c filters

select case when a in (select id from m.u) then b end as x from m.t order by (select max(c) from m.u) limit 1;
-- * <- u.c orders
-- x <- t.a transformed, t.b transformed, u.id transformed
