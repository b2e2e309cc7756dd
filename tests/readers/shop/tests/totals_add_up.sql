{{ config(severity='warn', tags=['sums']) }}
select 1 from (select sum(cents) as a from {{ ref('totals') }}) t, (select sum(cents) as b from {{ ref('revenue') }}) r
where a <> b
