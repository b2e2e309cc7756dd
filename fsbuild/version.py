"""The version of fsbuild, in a module that everything may import."""

__version__ = "0.1.0"

# The version of dbt-core whose behaviour templates and artifacts follow.
DBT_VERSION = "1.11.0"
