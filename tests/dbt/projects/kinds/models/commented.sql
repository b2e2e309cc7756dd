-- {{ ref('below') }} is read, even in a comment of SQL
/* depends on nothing */
select 1 as x -- the end
