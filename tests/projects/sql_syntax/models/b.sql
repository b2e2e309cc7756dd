select 1 as id from range(3) t(i) where
