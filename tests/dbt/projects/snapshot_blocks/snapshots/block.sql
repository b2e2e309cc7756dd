{% snapshot by_time %}
{{ config(unique_key='id', strategy='timestamp', updated_at='changed_at') }}
select * from {{ ref('people') }}
{% endsnapshot %}

{% snapshot by_time_invalidating %}
{{ config(unique_key='id', strategy='timestamp', updated_at='changed_at', hard_deletes='invalidate', target_schema='main') }}
select * from {{ ref('people') }}
{% endsnapshot %}
