select id, name as family, born, '{{ this.name }}' as called, '{{ model.version }}' as version from {{ ref('given') }}
