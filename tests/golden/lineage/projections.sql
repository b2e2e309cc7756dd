-- Plain values: as they are, under other names, and computed.

select a from m.t;
-- a <- t.a copied

select a as x, b y from m.t;
-- x <- t.a copied
-- y <- t.b copied

-- FROM first
from m.u;
-- id <- u.id copied
-- c <- u.c copied
-- ts <- u.ts copied

from m.t select a;
-- a <- t.a copied

-- identifiers are found whatever their case, and keep their own
select T.A as "X y", "M"."t".b from "m"."T";
-- X y <- t.a copied
-- b <- t.b copied

select m.t.a, (b) from m.t;
-- a <- t.a copied
-- b <- t.b copied

select a + b as x, 1 as one from m.t;
-- x <- t.a transformed, t.b transformed
-- one <-

-- a cast is a computation: it may lose something
select a::varchar as x, cast(b as bigint) as y, try_cast(a as date) as z from m.t;
-- x <- t.a transformed
-- y <- t.b transformed
-- z <- t.a transformed

-- what a CASE asks for decides about the value, and is a part of it
select case when a > 1 then b else id end as x from m.t;
-- x <- t.a transformed, t.b transformed, t.id transformed

select if(a > 1, b, 0) as x, coalesce(a, b) as y, a between b and id as z from m.t;
-- x <- t.a transformed, t.b transformed
-- y <- t.a transformed, t.b transformed
-- z <- t.a transformed, t.b transformed, t.id transformed

-- an alias can be used to its right; a column of the same name goes before it
select a as x, x + b as y, y * 2 as z from m.t;
-- x <- t.a copied
-- y <- t.a transformed, t.b transformed
-- z <- t.a transformed, t.b transformed

select b as a, a as z from m.t;
-- a <- t.b copied
-- z <- t.a copied

select x: a + 1 from m.t;
-- x <- t.a transformed

-- a row as a value
select t as row from m.u t;
-- row <- u.id transformed, u.c transformed, u.ts transformed

-- a function that nobody here has heard of is a computation from all its arguments
select hash(a, b) as h, a.abs().sqrt() as r, current_date as d from m.t;
-- h <- t.a transformed, t.b transformed
-- r <- t.a transformed
-- d <-

select * from (values (1, 2)) w(p, q), m.u;
-- p <-
-- q <-
-- id <- u.id copied
-- c <- u.c copied
-- ts <- u.ts copied

values (1), ((select max(a) from m.t));
-- col0 <- t.a aggregated
