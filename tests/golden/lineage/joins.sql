-- Joins: their keys steer which rows there are.

select a, c from m.t join m.u on t.id = u.id;
-- * <- t.id joins, u.id joins
-- a <- t.a copied
-- c <- u.c copied

select a, c from m.t left join m.u on t.id = u.id and u.c > 0 where t.b > 0;
-- * <- t.id joins, u.id joins, u.c joins, t.b filters
-- a <- t.a copied
-- c <- u.c copied

-- with a comma, the condition stands in WHERE, and is told as such
select x.a, y.a as a2 from m.t x, m.t y where x.id = y.b;
-- * <- t.id filters, t.b filters
-- a <- t.a copied
-- a2 <- t.a copied

select a, c from m.t cross join m.u;
-- a <- t.a copied
-- c <- u.c copied

-- a column of USING is that of the side that always has a row; either where both do
select id, a, c from m.t join m.u using (id);
-- * <- t.id joins, u.id joins
-- id <- t.id copied, u.id copied
-- a <- t.a copied
-- c <- u.c copied

select id, c from m.t left join m.u using (id);
-- * <- t.id joins, u.id joins
-- id <- t.id copied
-- c <- u.c copied

select id, c from m.t right join m.u using (id);
-- * <- t.id joins, u.id joins
-- id <- u.id copied
-- c <- u.c copied

select id from m.t full join m.u using (id);
-- * <- t.id joins, u.id joins
-- id <- t.id transformed, u.id transformed

select * from (select id, b from m.t) natural join (select id, c from m.u);
-- * <- t.id joins, u.id joins
-- id <- t.id copied, u.id copied
-- b <- t.b copied
-- c <- u.c copied

select * exclude (l, s) from m.t asof left join m.u using (id, ts);
-- * <- t.id joins, t.ts joins, u.id joins, u.ts joins
-- id <- t.id copied
-- a <- t.a copied
-- b <- t.b copied
-- ts <- t.ts copied
-- c <- u.c copied

select t.a, u.c from m.t asof join m.u on t.id = u.id and t.ts >= u.ts;
-- * <- t.id joins, u.id joins, t.ts joins, u.ts joins
-- a <- t.a copied
-- c <- u.c copied

select * from m.u semi join m.t using (id);
-- * <- u.id joins, t.id joins
-- id <- u.id copied
-- c <- u.c copied
-- ts <- u.ts copied

select c from m.u anti join m.t on t.a = c;
-- * <- u.c joins, t.a joins
-- c <- u.c copied

-- rows are joined by their places: no column decides
select t.a, u.c from m.t positional join m.u;
-- a <- t.a copied
-- c <- u.c copied

select t.b, v.j, c from m.t left join (m.u join m.v using (id)) on t.id = u.c;
-- * <- t.id joins, u.c joins, u.id joins, v.id joins
-- b <- t.b copied
-- j <- v.j copied
-- c <- u.c copied

-- a lateral query makes rows of each row
select a, q from m.t, lateral (select t.a + c as q from m.u where u.id = t.id);
-- * <- u.id filters, t.id filters
-- a <- t.a copied
-- q <- t.a transformed, u.c transformed

select a, q from m.t left join lateral (select max(c) as q from m.u where u.ts < t.ts) on true;
-- * <- u.ts filters, t.ts filters
-- a <- t.a copied
-- q <- u.c aggregated

-- joined to what is computed: the key is steered by what it is made of
select d.m, u.c from (select id, max(a) as m from m.t group by id) d join m.u on d.m = u.c;
-- * <- t.id groups, t.a joins, u.c joins
-- m <- t.a aggregated
-- c <- u.c copied

select x.a, r.n from m.t x join (select id, row_number() over (order by ts) as n from m.u) r on x.id = r.n;
-- * <- t.id joins, u.ts orders
-- a <- t.a copied
-- n <- u.ts orders
