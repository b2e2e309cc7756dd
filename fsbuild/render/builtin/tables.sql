{# dbt's macros that look at tables or say how they are read. #}

{% macro default__load_relation(relation) %}
    {{ return(adapter.get_relation(relation.database, relation.schema, relation.identifier)) }}
{% endmacro %}
{% macro default__load_cached_relation(relation) %}{{ return(dbt.load_relation(relation)) }}{% endmacro %}
{% macro default__get_or_create_relation(database, schema, identifier, type) %}
    {%- set found = adapter.get_relation(database, schema, identifier) -%}
    {{ return([found is not none, found or api.Relation.create(database, schema, identifier, type)]) }}
{% endmacro %}
{% macro default__get_columns_in_relation(relation) %}{{ return(adapter.get_columns_in_relation(relation)) }}{% endmacro %}
{% macro default__get_column_schema_from_query(select_sql, select_sql_header=none) %}
    {{ return(adapter.get_column_schema_from_query(select_sql)) }}
{% endmacro %}
{% macro default__get_columns_in_query(select_sql) %}
    {{ return(adapter.get_column_schema_from_query(select_sql) | map(attribute="name") | list) }}
{% endmacro %}
{% macro default__check_schema_exists(information_schema, schema) %}
    {{ return(adapter.check_schema_exists(information_schema.database, schema)) }}
{% endmacro %}
{% macro default__list_schemas(database) %}
    {{ return(run_query("select distinct schema_name from information_schema.schemata")) }}
{% endmacro %}
{% macro default__information_schema_name(database) %}information_schema{% endmacro %}

{% macro default__run_query(sql) %}
    {%- call statement("run_query_statement", fetch_result=true, auto_begin=false) %}{{ sql }}{% endcall -%}
    {{ return(load_result("run_query_statement").table) }}
{% endmacro %}

{% macro default__get_where_subquery(relation) %}
    {%- set where = config.get("where") -%}
    {%- if where %}{{ return("(select * from " ~ relation ~ " where " ~ where ~ ") dbt_subquery") }}{% endif -%}
    {{ return(relation) }}
{% endmacro %}

{% macro default__get_empty_subquery_sql(select_sql, select_sql_header=none) %}
    select * from ({{ select_sql }}) as __dbt_sbq where false limit 0
{% endmacro %}

{% macro default__should_full_refresh() %}
    {%- set wanted = config.get("full_refresh") -%}
    {{ return(flags.FULL_REFRESH if wanted is none else wanted) }}
{% endmacro %}
{% macro default__should_store_failures() %}
    {%- set wanted = config.get("store_failures") -%}
    {{ return(flags.STORE_FAILURES if wanted is none else wanted) }}
{% endmacro %}

{# dbt-duckdb's: what other programs read of a project is in its tables. #}
{% macro default__register_upstream_external_models() %}{% endmacro %}
