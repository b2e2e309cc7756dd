"""A YAML file in, its data with the line of every value out; values may be Jinja expressions.

Nothing is ignored: a key that is written twice, or that nobody reads, is a problem at its line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fsbuild.errors import Place, Problem, ProjectError, suggest

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A value somewhere inside a YAML file: `data`, and where its parts are written."""

    file: str
    data: Any
    lines: Mapping[Path, int]
    path: Path = ()

    @property
    def place(self) -> Place:
        """The line on which this value begins (that of its key, inside a mapping)."""
        return Place(self.file, self.lines.get(self.path))

    def __getitem__(self, key: str | int) -> Section:
        return Section(self.file, self.data[key], self.lines, (*self.path, key))

    def __contains__(self, key: str) -> bool:
        return isinstance(self.data, dict) and key in self.data

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - YAML holds anything
        """The plain data below a key."""
        return self.data.get(key, default)

    def mapping(self, key: str) -> dict[str, Any]:
        """The mapping below a key; an empty one where there is none."""
        found = self.data.get(key) if isinstance(self.data, dict) else None
        return found if isinstance(found, dict) else {}

    def place_of(self, key: str | int) -> Place:
        """Where a key is written; this section's own place when it isn't."""
        line = self.lines.get((*self.path, key)) or self.lines.get((*self.path, f"+{key}"))
        return Place(self.file, line or self.lines.get(self.path))

    def items_of(self, key: str, problems: list[Problem]) -> Iterator[Section]:
        """Yield the mappings in the list below a key; anything else is a problem."""
        if self.data.get(key) is None:
            return
        section = self[key]
        if not isinstance(section.data, list):
            problems.append(
                Problem(f"'{key}' is not a list", section.place, hint=f"write '{key}:' and '- name: …' below")
            )
            return
        for index, item in enumerate(section.data):
            if isinstance(item, dict):
                yield section[index]
            else:
                problems.append(Problem(f"an entry of '{key}' is not a mapping", section[index].place))

    def check_keys(self, known: Collection[str], problems: list[Problem], *, unsupported: Collection[str] = ()) -> None:
        """Report the keys that are not known, with the nearest one that is."""
        for key in self.data:
            if key in unsupported:
                problems.append(Problem(f"fsbuild does not support '{key}' yet", self.place_of(key)))
            elif key not in known:
                problems.append(Problem(f"unknown key '{key}'", self.place_of(key), hint=suggest(str(key), known)))


def read_text(root_file: Any, shown: str) -> str:  # noqa: ANN401 - a pathlib.Path, imported by nobody for its type alone
    """Read a UTF-8 file of the project.

    Raises:
        ProjectError: it isn't there, or isn't UTF-8.
    """
    try:
        return root_file.read_bytes().decode("utf-8-sig")  # type: ignore[no-any-return]
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        raise ProjectError(
            Problem(f"not UTF-8: byte 0x{exc.object[exc.start]:02x}", Place(shown, line), hint="save the file as UTF-8")
        ) from exc
    except OSError as exc:
        raise ProjectError(Problem(f"cannot read: {exc.strerror}", Place(shown))) from exc


def parse_yaml(text: str, file: str, evaluate: Callable[[str, Place], Any]) -> Section:
    """Parse a YAML file into a section; an empty file is an empty mapping.

    `evaluate` renders the strings that hold a Jinja expression.

    Raises:
        ProjectError: the text is not YAML, a key is written twice, or the top level is not a mapping.
    """
    loader, node = _compose(text, file)
    lines: dict[Path, int] = {}
    problems: list[Problem] = []

    def build(node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - YAML holds anything
        lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            problems.extend(_key_problems(node, file))
            loader.flatten_mapping(node)
            built: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                if isinstance(key_node, yaml.ScalarNode):
                    key = scalar(key_node)
                    lines[(*path, key)] = key_node.start_mark.line + 1
                    built[key] = build(value_node, (*path, key))
            return built
        if isinstance(node, yaml.SequenceNode):
            return [build(item, (*path, index)) for index, item in enumerate(node.value)]
        value = scalar(node)
        if isinstance(value, str) and "{{" in value:
            return evaluate(value, Place(file, node.start_mark.line + 1))
        return value

    def scalar(node: yaml.Node) -> Any:  # noqa: ANN401 - YAML holds anything
        try:
            return loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as exc:
            reason = getattr(exc, "problem", None) or exc
            problems.append(Problem(f"not valid YAML: {reason}", Place(file, node.start_mark.line + 1)))
            return None

    data = build(node, ()) if node is not None else {}
    if not problems and not isinstance(data, dict):
        problems.append(Problem("the file is not a mapping of keys to values", Place(file, 1)))
    if problems:
        raise ProjectError(problems)
    return Section(file, data, lines)


def _compose(text: str, file: str) -> tuple[Any, yaml.Node | None]:
    try:
        loader = _Loader(text)
        return loader, loader.get_single_node()
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        message = f"not valid YAML: {getattr(exc, 'problem', None) or exc}"
        if mark is None:
            raise ProjectError(Problem(message, Place(file))) from exc
        written = dict(enumerate(text.splitlines())).get(mark.line)
        place = Place(file, mark.line + 1, mark.column + 1)
        raise ProjectError(Problem(message, place, excerpt=written)) from exc


def _key_problems(node: yaml.MappingNode, file: str) -> Iterator[Problem]:
    """Report keys that are written twice in one mapping, and keys that are no words."""
    seen: set[str] = set()
    for key, _ in node.value:
        place = Place(file, key.start_mark.line + 1)
        if not isinstance(key, yaml.ScalarNode):
            yield Problem("a mapping stands where a word should", place, hint="put quotes around a value with {{ … }}")
        elif key.value in seen and key.value != "<<":
            yield Problem(f"'{key.value}' is written twice", place)
        else:
            seen.add(key.value)
