{{ config(materialized='table') }}
select {{ flags.FULL_REFRESH }} as is_full_refresh, {{ is_incremental() }} as is_increment, '{{ this.identifier }}' as identifier
