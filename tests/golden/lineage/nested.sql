-- Structs, lists, maps and JSON: a field is made of the whole column, as lineage ends at columns.

select s.x, t.s.y, s.y.z as z, s['x'] as w from m.t;
-- x <- t.s transformed
-- y <- t.s transformed
-- z <- t.s transformed
-- w <- t.s transformed

select {'k': a, 'q': b} as r, row(a, id) as w, struct_pack(p := b) as p from m.t;
-- r <- t.a transformed, t.b transformed
-- w <- t.a transformed, t.id transformed
-- p <- t.b transformed

select r.k as x, r as whole from (select {'k': a, 'q': b} as r from m.t);
-- x <- t.a transformed, t.b transformed
-- whole <- t.a transformed, t.b transformed

select l[1] as x, l[a:b] as y, len(l) as n, [a, b] as z from m.t;
-- x <- t.l transformed
-- y <- t.l transformed, t.a transformed, t.b transformed
-- n <- t.l transformed
-- z <- t.a transformed, t.b transformed

select m['k'] as x, map_keys(m) as y, map {'k': id} as z from m.n;
-- x <- n.m transformed
-- y <- n.m transformed
-- z <- n.id transformed

select p[1].x as x, list_transform(p, lambda e: e.y) as y from m.n;
-- x <- n.p transformed
-- y <- n.p transformed

select j -> '$.x' as x, j ->> 'y' as y, json_extract(j, '$.z') as z from m.v;
-- x <- v.j transformed
-- y <- v.j transformed
-- z <- v.j transformed

-- unnesting makes a row of each value: the list decides how many
select unnest(l) as e, a from m.t;
-- * <- t.l filters
-- e <- t.l transformed
-- a <- t.a copied

select a, e from m.t, unnest(l) as k(e);
-- * <- t.l filters
-- a <- t.a copied
-- e <- t.l transformed

select a, e, i from m.t, unnest(l) with ordinality as k(e, i);
-- * <- t.l filters
-- a <- t.a copied
-- e <- t.l transformed
-- i <-

select i from m.t, range(a) r(i);
-- * <- t.a filters
-- i <- t.a transformed

select max(e) as x from (select unnest(list_distinct(l)) as e from m.t where a > 0);
-- * <- t.l filters, t.a filters
-- x <- t.l aggregated

select id, (select sum(e) from (select unnest(t.l) as e)) as x from m.t;
-- id <- t.id copied
-- x <- t.l aggregated, t.l filters

-- lambdas, and what they catch from around them
select list_transform(l, lambda x: x + a) as r, list_filter(l, lambda x, i: i > b) as q from m.t;
-- r <- t.l transformed, t.a transformed
-- q <- t.l transformed, t.b transformed

select list_reduce(l, lambda x, y: x + y) as r from m.t;
-- r <- t.l transformed

-- a parameter with the name of a column counts as the column too, as in the JSON path a -> '$.b': one edge too many
select list_transform(l, lambda a: a + 1) as q from m.t;
-- q <- t.l transformed, t.a transformed

select [x + a for x in l if x > b] as r from m.t;
-- r <- t.l transformed, t.a transformed, t.b transformed

-- a struct that is unnested makes a column of each field, which only types can tell
with x as (select unnest(s), a from m.t) select a from x;
-- unknown: it unnests what may be a struct
