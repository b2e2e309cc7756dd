"""The judge of dbt compatibility: the same projects through dbt-core with dbt-duckdb and through fsbuild."""
