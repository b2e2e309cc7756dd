"""What fsbuild cannot yet do as dbt does, by project and aspect: tests of these must fail, with this reason."""

from __future__ import annotations

TO_DO: dict[str, str] = {}
