{{ config(unique_key='id', on_schema_change='append_new_columns') }}
select id, amount {% if is_incremental() %}, day {% endif %} from {{ ref('events') }}
