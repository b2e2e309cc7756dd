-- Stars: what they expand to is what the binder says.

select * exclude (ts, l, s) from m.t;
-- id <- t.id copied
-- a <- t.a copied
-- b <- t.b copied

select * exclude (ts) replace (c + 1 as c) rename (id as k) from m.u;
-- k <- u.id copied
-- c <- u.c transformed

-- a replaced column may be made of another one
select * exclude (id) replace (id as ts) from m.u;
-- c <- u.c copied
-- ts <- u.id copied

select u.*, t.a from m.t, m.u;
-- id <- u.id copied
-- c <- u.c copied
-- ts <- u.ts copied
-- a <- t.a copied

select columns('^(id|c)$') from m.u;
-- id <- u.id copied
-- c <- u.c copied

select max(columns(* exclude ts)) from m.u;
-- id <- u.id aggregated
-- c <- u.c aggregated

select columns(u.*) from m.u;
-- id <- u.id copied
-- c <- u.c copied
-- ts <- u.ts copied

-- each column with itself, steered by one that is always the same
select first(columns('id|c') order by ts) from m.u;
-- id <- u.id aggregated, u.ts orders
-- c <- u.c aggregated, u.ts orders

select coalesce(*columns('id|c')) as x from m.u;
-- x <- u.id transformed, u.c transformed

-- a condition on COLUMNS is one on all of them
select id from m.u where columns('id|c') > 0;
-- * <- u.id filters, u.c filters
-- id <- u.id copied

select * from (select t.id, u.id from m.t, m.u);
-- id <- t.id copied
-- id_1 <- u.id copied

select id_1 as x from (select t.id, u.id from m.t, m.u);
-- x <- u.id copied

-- through two stars
select * exclude b from (select * replace (a + b as a) from (select id, a, b from m.t));
-- id <- t.id copied
-- a <- t.a transformed, t.b transformed

select * like 'a%' from m.t;
-- unknown: * is not understood here

select columns(c -> c like 'a%') from m.t;
-- unknown: COLUMNS of an expression is not understood

select s.* from m.t;
-- unknown: 's.*' cannot be resolved
