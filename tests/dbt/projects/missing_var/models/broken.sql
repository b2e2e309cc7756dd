select {{ var('nowhere') }} as x
