-- Which rows there are: WHERE, DISTINCT, ORDER BY with LIMIT. What steers them leads to *.

select a from m.t where b > 0;
-- * <- t.b filters
-- a <- t.a copied

-- a column that steers and makes the value has an edge for each
select a from m.t where a > 0;
-- * <- t.a filters
-- a <- t.a copied

select -a as x from m.t where x > 0;
-- * <- t.a filters
-- x <- t.a transformed

-- an order alone decides about nothing: a table has none
select a from m.t order by b;
-- a <- t.a copied

select a from m.t order by b limit 3;
-- * <- t.b orders
-- a <- t.a copied

select b as a, a as z from m.t order by a limit 1;
-- * <- t.b orders
-- a <- t.b copied
-- z <- t.a copied

select a, b from m.t order by 2 limit 1;
-- * <- t.b orders
-- a <- t.a copied
-- b <- t.b copied

select a, b from m.t order by all limit 1;
-- * <- t.a orders, t.b orders
-- a <- t.a copied
-- b <- t.b copied

select a from m.t order by a + b desc nulls last offset 2;
-- * <- t.a orders, t.b orders
-- a <- t.a copied

-- how many rows there are may itself be computed
select a from m.t limit (select max(c) from m.u);
-- * <- u.c filters
-- a <- t.a copied

-- the order of a query inside of another one may be what that one goes by
select list(a) as x from (select a from m.t order by b);
-- * <- t.b orders
-- x <- t.a aggregated

select distinct a, b + 1 as x from m.t;
-- * <- t.a groups, t.b groups
-- a <- t.a copied
-- x <- t.b transformed

select distinct on (a) b from m.t order by id;
-- * <- t.a groups, t.id orders
-- b <- t.b copied

select a from m.t using sample 10 rows;
-- a <- t.a copied
