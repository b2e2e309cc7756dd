{%- set ns = namespace(total=0) -%}
{%- for i in range(1, 4) %}{% set ns.total = ns.total + i %}{% endfor -%}
{% set text %}block {{ ns.total }}{% endset %}
{% raw %}-- {{ not rendered }}{% endraw %}
select '{{ text }}' as text, {% for a in ['x', 'y'] -%} '{{ loop.index }}{{ a }}' as {{ a }}{{ "," if not loop.last }} {%- endfor %}
{# ref('nothing') in a comment #}
{% if target.type == 'duckdb' %}, 1 as on_duckdb{% elif false %}, 2 as other{% else %}, 3 as none_of_both{% endif %}
{{ "" if execute }}
