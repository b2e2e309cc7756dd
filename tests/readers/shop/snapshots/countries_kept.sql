{% snapshot countries_kept %}
{{ config(unique_key='code', strategy='check', check_cols='all') }}
select * from {{ ref('countries') }}
{% endsnapshot %}
