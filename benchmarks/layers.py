"""A number of models in, a project of that many models in layers out, the same bytes every time.

The models of the first layer make 100 rows each; every other model joins two of the layer before it,
transforms some columns and sums one over a window, and has 100 rows too. Each model has one `not_null` test.
"""

from __future__ import annotations

from benchmarks.project import GeneratedProject

__all__ = ["edited_model", "layered_project"]

ROWS = 100
_LAYERS = 10

_FIRST = """\
select
    i as id,
    i % 7 as bucket,
    cast((i * 7919 + {salt}) % 1000 as bigint) as amount,
    round(i / {divisor}.0, 6) as rate,
    'item_' || cast(i as varchar) as label
from range({rows}) as numbers(i)
"""

_NEXT = """\
with own as (
    select id, bucket, amount, rate, label
    from {{{{ ref('{left}') }}}}
),

other as (
    select id, amount, rate
    from {{{{ ref('{right}') }}}}
),

weekly as (
    select
        id,
        sum(amount) over (
            partition by bucket
            order by id
            rows between 6 preceding and current row
        ) as recent
    from own
)

select
    own.id,
    own.bucket,
    cast((own.amount + 2 * other.amount + weekly.recent + {salt}) % 1000 as bigint) as amount,
    round(coalesce(own.rate, 0) * 0.25 + other.rate * 0.75 + {salt} / 1000.0, 6) as rate,
    case when own.amount > other.amount then upper(own.label) else lower(own.label) end as label
from own
inner join other on own.id = other.id
inner join weekly on own.id = weekly.id
"""

_TEST = """\
  - name: {name}
    columns:
      - name: id
        data_tests: [not_null]
"""


def layered_project(models: int) -> GeneratedProject:
    """Generate a project of `models` models, at least 2, in up to ten layers of equal width."""
    files: dict[str, str] = {}
    tables: list[str] = []
    widths = _widths(models)
    for layer, width in enumerate(widths):
        folder = f"models/layer_{layer:02}"
        names = [_name(layer, position) for position in range(width)]
        for position, name in enumerate(names):
            files[f"{folder}/{name}.sql"] = _sql(widths, layer, position)
        files[f"{folder}/_models.yml"] = _tests(names)
        tables.extend(names)
    return GeneratedProject("layers", files, tuple(tables))


def edited_model(models: int, revision: int) -> tuple[str, str]:
    """Edit one model in the middle of the layers: its file and its new text, which computes other values."""
    widths = _widths(models)
    layer = len(widths) // 2
    file = f"models/layer_{layer:02}/{_name(layer, 0)}.sql"
    return file, _sql(widths, layer, 0, revision)


def _widths(models: int) -> list[int]:
    layers = max(1, min(_LAYERS, models // 2))
    return [models // layers + (layer < models % layers) for layer in range(layers)]


def _name(layer: int, position: int) -> str:
    return f"m_{layer:02}_{position:04}"


def _sql(widths: list[int], layer: int, position: int, revision: int = 0) -> str:
    salt = layer * 131 + position * 17 + revision
    if layer == 0:
        return _FIRST.format(salt=salt, divisor=position % 9 + 2, rows=ROWS)
    before = widths[layer - 1]
    left, right = (_name(layer - 1, (position + step) % before) for step in (0, 1))
    return _NEXT.format(left=left, right=right, salt=salt)


def _tests(names: list[str]) -> str:
    return "version: 2\n\nmodels:\n" + "".join(_TEST.format(name=name) for name in names)
