select {{ vra('x') }} as id, {{ var('x') }} as x
