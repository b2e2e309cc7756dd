{{ config(meta={'level': 2}, tags=['one', 'two']) }}
{% do config.set('alias', 'functions') if false %}
{% set parsed = fromjson('{"a": [1, 2]}') %}
{% set pairs = zip([1, 2], ['x', 'y']) | list %}
select
    '{{ parsed["a"][1] }}' as parsed,
    '{{ tojson({"b": 1, "a": [true, none]}, sort_keys=true) }}' as json,
    '{{ fromyaml("a: [1, {b: c}]")["a"][1]["b"] }}' as yaml,
    '{{ toyaml({"a": 1}) | trim }}' as to_yaml,
    '{{ set([1, 1, 2]) | list | length }} {{ set_strict([3]) | list | length }}' as distinct_values,
    '{{ pairs[1][1] }} {{ zip_strict([1], [2]) | list | length }}' as zipped,
    '{{ local_md5("hello") }}' as md5,
    '{{ modules.datetime.date(2024, 1, 31).isoformat() }} {{ modules.re.sub("a", "b", "banana") }} {{ modules.itertools.chain([1], [2]) | list | length }}' as of_modules,
    '{{ modules.pytz.timezone("Europe/Berlin").zone }}' as zone,
    {{ invocation_id | length }} as id_length,
    '{{ run_started_at.strftime("%Y") | length }}' as year_length,
    '{{ dbt_version[:2] }}' as version,
    '{{ this.name }} {{ this.schema }} {{ this.identifier }} {{ this.table }} {{ model.name }} {{ model.fqn | join(".") }}' as me,
    '{{ config.get("materialized") }} {{ config.get("nothing", "else") }} {{ config.get("meta").level }}' as configured,
    '{{ execute }}' as executes,
    '{{ as_bool("true") if false else "text" }} {{ "1" | as_number if false else 1 }}' as filtered,
    '{{ ["a", "b"] | join("-") | upper }}' as filters,
    '{{ return_of() }}' as returned,
    '{{ builtins.ref is defined }} {{ adapter is defined }} {{ flags.WHICH }} {{ var is defined }}' as defined,
    '{{ target.get("threads") is not none }} {{ target["name"] }}' as of_target,
    '{{ range(3) | list | length }} {{ dict(a=1).a }} {{ namespace(x=1).x }}' as python,
    '{{ "%05.1f" | format(3.14159) }}' as formatted,
    '{{ selected_resources | length > 0 }}' as chosen,
    '{{ diff_of_types(1) }}' as typed
