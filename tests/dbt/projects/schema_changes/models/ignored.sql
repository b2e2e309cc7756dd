{{ config(on_schema_change='ignore') }}
select id, amount {% if is_incremental() %}, day {% endif %} from {{ ref('events') }}
