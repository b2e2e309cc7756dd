-- Unions and the like, by the places of columns or by their names.

select a from m.t union all select c from m.u;
-- a <- t.a copied, u.c copied

-- a union that drops duplicates groups by what it has
select a from m.t union select c + 1 from m.u;
-- * <- t.a groups, u.c groups
-- a <- t.a copied, u.c transformed

select a, b from m.t union all by name select c as b, id from m.u;
-- a <- t.a copied
-- b <- t.b copied, u.c copied
-- id <- u.id copied

select id, a from m.t union by name select id from m.u;
-- * <- t.id groups, t.a groups, u.id groups
-- id <- t.id copied, u.id copied
-- a <- t.a copied

-- what the right side has decides about rows of the left one, and is no value
select id from m.t except select id from m.u;
-- * <- t.id filters, u.id filters
-- id <- t.id copied

select id, a + 1 as x from m.t except all select id, c from m.u where ts is null;
-- * <- t.id filters, t.a filters, u.id filters, u.c filters, u.ts filters
-- id <- t.id copied
-- x <- t.a transformed

select id from m.t intersect all select id from m.u;
-- * <- t.id filters, u.id filters
-- id <- t.id copied

-- each side has rows of its own
select a from m.t where b > 0 union all select c from m.u where ts is null;
-- * <- t.b filters, u.ts filters
-- a <- t.a copied, u.c copied

(select a from m.t order by b limit 1) union all select 1;
-- * <- t.b orders
-- a <- t.a copied

select a as q from m.t union all select c from m.u order by q limit 1;
-- * <- t.a orders, u.c orders
-- q <- t.a copied, u.c copied

select id from m.t union all (select id from m.u intersect select id from m.v);
-- * <- u.id filters, v.id filters
-- id <- t.id copied, u.id copied

select count(*) as n, q from (select a as q from m.t union select c from m.u) group by q;
-- * <- t.a groups, u.c groups
-- n <-
-- q <- t.a copied, u.c copied
