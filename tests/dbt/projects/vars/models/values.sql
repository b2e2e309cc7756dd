{{ config(tags=[var('kind')]) }}
select
    '{{ var("kind") }}' as kind,
    {{ var('unscoped') }} as unscoped,
    '{{ var("given", "default") }}' as given,
    {{ var('nested')['a'][1] }} as nested,
    '{{ var("nested").b | length }}' as text_length,
    '{{ env_var("FROM_SHELL", "no shell") }}' as from_environment,
    '{{ target.name }} {{ target.schema }} {{ target.type }} {{ target.profile_name }}' as target_told,
    '{{ project_name }}' as project_told,
    {{ var.has_var('kind') }} as has_kind,
    {{ var.has_var('none_such') }} as has_none
