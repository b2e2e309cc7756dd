{{ config(unique_key='id', on_schema_change='sync_all_columns') }}
select id, {% if is_incremental() %} day {% else %} amount {% endif %} from {{ ref('events') }}
