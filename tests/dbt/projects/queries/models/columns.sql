{% set columns = columns_of(ref('kinds')) %}
{% set relation = adapter.get_relation(database=this.database, schema=this.schema, identifier='kinds') %}
{% set missing = adapter.get_relation(database=this.database, schema=this.schema, identifier='nowhere') %}
{% set loaded = load_relation(ref('kinds')) %}
select
    {% for column in columns %}{{ adapter.quote(column) }}{{ ", " if not loop.last }}{% endfor %},
    '{{ columns | join("|") }}' as told,
    '{{ relation is not none }} {{ missing is none }} {{ loaded is not none }}' as is_there,
    '{{ relation.identifier }} {{ relation.type }} {{ relation.schema }}' as shape,
    '{{ api.Column("a", "integer").name }} {{ api.Relation.create(schema="s", identifier="i").identifier }}' as made
from {{ ref('kinds') }}
