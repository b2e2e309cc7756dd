-- depends_on: {{ ref('kinds') }}
select
{% if execute %}
    '{{ graph.nodes.values() | selectattr("resource_type", "equalto", "model") | map(attribute="name") | sort | join(",") }}' as models,
    '{{ graph.nodes["seed.queries.kinds"].alias }}' as alias,
    '{{ model.unique_id }} {{ model.config.materialized }} {{ model.name }} {{ model.resource_type }} {{ model.path }}' as told,
{% endif %}
    1 as x
