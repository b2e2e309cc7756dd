select 1 as position
