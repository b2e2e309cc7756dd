{# dbt's macros that name relations; a project may have its own instead. #}

{% macro default__generate_schema_name(custom_schema_name=none, node=none) %}
    {{- target.schema if custom_schema_name is none else target.schema ~ "_" ~ custom_schema_name | trim -}}
{% endmacro %}

{% macro default__generate_schema_name_for_env(custom_schema_name, node=none) %}
    {{- custom_schema_name | trim if target.name == "prod" and custom_schema_name is not none else target.schema -}}
{% endmacro %}

{% macro default__generate_alias_name(custom_alias_name=none, node=none) %}
    {%- if custom_alias_name -%}{{ custom_alias_name | trim }}
    {%- elif node.version -%}{{ node.name ~ "_v" ~ (node.version | replace(".", "_")) }}
    {%- else -%}{{ node.name }}
    {%- endif -%}
{% endmacro %}

{% macro default__generate_database_name(custom_database_name=none, node=none) %}{{ target.database }}{% endmacro %}
