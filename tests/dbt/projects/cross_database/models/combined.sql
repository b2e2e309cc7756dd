select * from ({{ dbt.except() if false else 'select 1 as x' }} {{ dbt.except() }} select 2 as x) union all (select 1 as x {{ dbt.intersect() }} select 1 as x)
