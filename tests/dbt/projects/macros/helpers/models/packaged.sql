select {{ twice(2) }} as x, '{{ var("of_package") }}' as of_package, {{ helpers.greeting() }} as greeting
