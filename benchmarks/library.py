"""A lending library out: a project of 3 seeds, 5 models and 20 tests, as small as the ones people start with.

Three views clean the seeds, two tables join them. The seeds are made by arithmetic, the same every time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from benchmarks.project import GeneratedProject

__all__ = ["library_project"]

_MEMBERS = 100
_LOANS = 120
_FINES = 80
_BRANCHES = ("harbour", "hill", "market", "station")
_STATES = ("lost", "on_loan", "overdue", "returned")
_OPENED = dt.date(2024, 1, 1)

_STG_MEMBERS = """\
{{ config(materialized='view') }}

select
    cast(id as bigint) as member_id,
    trim(full_name) as member_name,
    lower(branch) as branch,
    cast(joined as date) as joined_on
from {{ ref('raw_members') }}
"""

_STG_LOANS = """\
{{ config(materialized='view') }}

select
    cast(id as bigint) as loan_id,
    cast(member as bigint) as member_id,
    cast(lent as date) as lent_on,
    cast(days as bigint) as days_out,
    state
from {{ ref('raw_loans') }}
"""

_STG_FINES = """\
{{ config(materialized='view') }}

select
    cast(id as bigint) as fine_id,
    cast(loan as bigint) as loan_id,
    cast(cents as bigint) as cents,
    kind
from {{ ref('raw_fines') }}
"""

_LOANS_SQL = """\
{% set kinds = ['damage', 'late'] %}

with fines as (
    select
        loan_id,
        {% for kind in kinds -%}
        cast(sum(case when kind = '{{ kind }}' then cents else 0 end) as bigint) as {{ kind }}_cents,
        {% endfor -%}
        cast(sum(cents) as bigint) as fine_cents
    from {{ ref('stg_fines') }}
    group by loan_id
)

select
    loans.loan_id,
    loans.member_id,
    loans.lent_on,
    loans.state,
    {% for kind in kinds -%}
    coalesce(fines.{{ kind }}_cents, 0) as {{ kind }}_cents,
    {% endfor -%}
    coalesce(fines.fine_cents, 0) as fine_cents
from {{ ref('stg_loans') }} as loans
left join fines on loans.loan_id = fines.loan_id
"""

_MEMBERS_SQL = """\
with activity as (
    select
        member_id,
        min(lent_on) as first_loan_on,
        max(lent_on) as last_loan_on,
        count(*) as loans,
        cast(sum(fine_cents) as bigint) as fine_cents
    from {{ ref('loans') }}
    group by member_id
)

select
    members.member_id,
    members.member_name,
    members.branch,
    activity.first_loan_on,
    activity.last_loan_on,
    coalesce(activity.loans, 0) as loans,
    coalesce(activity.fine_cents, 0) as fine_cents
from {{ ref('stg_members') }} as members
left join activity on members.member_id = activity.member_id
"""

# unique and not_null of five keys, seven more not_null, two accepted_values, one relationships: twenty.
_TESTS = f"""\
version: 2

models:
  - name: stg_members
    columns:
      - name: member_id
        data_tests: [unique, not_null]
  - name: stg_loans
    columns:
      - name: loan_id
        data_tests: [unique, not_null]
      - name: state
        data_tests:
          - accepted_values:
              arguments:
                values: [{", ".join(_STATES)}]
  - name: stg_fines
    columns:
      - name: fine_id
        data_tests: [unique, not_null]
      - name: kind
        data_tests:
          - accepted_values:
              arguments:
                values: [damage, late]
  - name: loans
    columns:
      - name: loan_id
        data_tests: [unique, not_null]
      - name: member_id
        data_tests:
          - not_null
          - relationships:
              arguments:
                to: ref('stg_members')
                field: member_id
      - name: lent_on
        data_tests: [not_null]
      - name: damage_cents
        data_tests: [not_null]
      - name: late_cents
        data_tests: [not_null]
      - name: fine_cents
        data_tests: [not_null]
  - name: members
    columns:
      - name: member_id
        data_tests: [unique, not_null]
      - name: loans
        data_tests: [not_null]
      - name: fine_cents
        data_tests: [not_null]
"""


def library_project() -> GeneratedProject:
    """Generate the project."""
    files = {
        "seeds/raw_members.csv": _csv("id,full_name,branch,joined", _MEMBERS, _member),
        "seeds/raw_loans.csv": _csv("id,member,lent,days,state", _LOANS, _loan),
        "seeds/raw_fines.csv": _csv("id,loan,cents,kind", _FINES, _fine),
        "models/staging/stg_members.sql": _STG_MEMBERS,
        "models/staging/stg_loans.sql": _STG_LOANS,
        "models/staging/stg_fines.sql": _STG_FINES,
        "models/loans.sql": _LOANS_SQL,
        "models/members.sql": _MEMBERS_SQL,
        "models/_models.yml": _TESTS,
    }
    return GeneratedProject("library", files, ("raw_members", "raw_loans", "raw_fines", "loans", "members"))


def _csv(header: str, rows: int, row: Callable[[int], tuple[object, ...]]) -> str:
    lines = (",".join(str(value) for value in row(number)) for number in range(1, rows + 1))
    return "\n".join([header, *lines, ""])


def _member(number: int) -> tuple[object, ...]:
    return number, f"Member {number:03}", _BRANCHES[number % 4], _OPENED + dt.timedelta(days=number * 3)


def _loan(number: int) -> tuple[object, ...]:
    # 120 loans of every other member or so: some members have several, some none.
    member = number * 37 % (_MEMBERS // 2) * 2 + 1
    return number, member, _OPENED + dt.timedelta(days=number * 5), number % 28 + 1, _STATES[number % 4]


def _fine(number: int) -> tuple[object, ...]:
    return number, number * 7 % _LOANS + 1, number * 25 % 900 + 50, ("damage", "late")[number % 2]
