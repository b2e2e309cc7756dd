with x as (select * from (values (1, 'b'), (2, 'a'), (2, 'c')) as v(k, t))
select k, {{ dbt.listagg('t', "'|'", "order by t") }} as listed, {{ dbt.any_value('k') }} as any_k, {{ dbt.bool_or("t = 'a'") }} as has_a
from x group by k
