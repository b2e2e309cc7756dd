"""A node's configuration as it is written: folders of the project file, YAML, `config()`, with their Jinja.

What is written is the same in every environment, so that who compares two manifests finds what somebody changed.

    {{ config(materialized=env_var('KEPT_AS', 'table'), tags=['daily']) }}
    -> {"materialized": "env_var('KEPT_AS', 'table')", "tags": ["daily"]}
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_CONFIG = re.compile(r"\bconfig\s*\(")
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
# Names that Jinja writes as Python's constants.
_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})


@dataclass(frozen=True, slots=True)
class OwnConfig:
    """What is said of one node alone: by YAML, and what its own text told when it was rendered."""

    said: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


def unrendered_config(
    tree: object, package: str, folders: Sequence[str], own: OwnConfig | None = None
) -> dict[str, Any]:
    """Lay the layers of a configuration over each other, as dbt does where it compares: the last one counts.

    `tree` is what the project file says of such nodes, and `folders` leads to the node in it.
    """
    own = own or OwnConfig()
    found: dict[str, Any] = {}
    for layer in (*_folder_layers(tree, package, folders), own.said, _as_written(own.told, own.text)):
        found.update({str(key).removeprefix("+"): value for key, value in layer.items()})
    return found


def _folder_layers(tree: object, package: str, folders: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The layers of the project file, the outermost first; the project's name may be left out, or be the first key."""
    if not isinstance(tree, dict):
        return
    yield _configs(tree)
    for path in (folders if folders and folders[0] != package else (), (package, *folders)):
        below: Any = tree
        for part in path:
            below = below.get(part)
            if not isinstance(below, dict):
                break
            yield _configs(below)


def _configs(tree: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in tree.items() if str(key).startswith("+") or not isinstance(value, dict)}


def _as_written(told: Mapping[str, Any], text: str) -> dict[str, Any]:
    """What `config()` told, with the expression in the place of a value that it had to evaluate."""
    if not told:
        return {}
    expressions = {name: value for call in _calls(text) for name, value in _computed(call)}
    return {name: expressions.get(name, value) for name, value in told.items()}


def _calls(text: str) -> Iterator[str]:
    """The arguments of each call of `config`, as text."""
    text = _COMMENT.sub("", text)
    for begin in _CONFIG.finditer(text):
        depth, quote = 1, ""
        for at in range(begin.end(), len(text)):
            char = text[at]
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            else:
                depth += {"(": 1, ")": -1}.get(char, 0)
            if not depth:
                yield text[begin.end() : at]
                break


def _computed(arguments: str) -> Iterator[tuple[str, str]]:
    """The keywords of a call whose values are no constants, with their text."""
    try:
        call = ast.parse(f"f({arguments.strip()}\n)", mode="eval").body
    except (SyntaxError, ValueError):
        return  # an expression that is Jinja's alone: what it gave has to do
    for keyword in call.keywords if isinstance(call, ast.Call) else ():
        names = (one.id for one in ast.walk(keyword.value) if isinstance(one, ast.Name))
        if keyword.arg is not None and any(name not in _CONSTANTS for name in names):
            yield keyword.arg, ast.unparse(keyword.value)
