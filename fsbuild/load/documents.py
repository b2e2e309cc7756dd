"""A YAML file in, its data with the line of every value out; values may be Jinja expressions, evaluated on demand.

Nothing is ignored: a key that is written twice, or that nobody reads, is a problem at its line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from fsbuild.errors import Place, Problem, ProjectError, suggest

# What knows `this`, or the end of the run, which nothing does before it is asked.
_LATER = frozenset(
    {"loaded_at_query", "on-run-start", "on-run-end"}
    | {f"{sign}{when}{line}hook" for sign in ("", "+") for when in ("pre", "post") for line in "-_"}
)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Path = tuple[str | int, ...]
_OF_METRICS = ("metrics", "saved_queries", "semantic_models")
_FILTERS = frozenset({"filter", "where"})


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
        return replace(self, data=self.data[key], path=(*self.path, key))

    def __contains__(self, key: str) -> bool:
        return isinstance(self.data, dict) and key in self.data

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - YAML holds anything
        """The plain data below a key; the default where nothing is written there."""
        value = self.data.get(key)
        return default if value is None else value

    def mapping(self, key: str, problems: list[Problem]) -> dict[Any, Any]:
        """The mapping below a key, empty where there is none; anything else is a problem."""
        value = self.get(key, {})
        if isinstance(value, dict):
            return value
        problems.append(Problem(f"'{key}' is not a mapping", self.place_of(key)))
        return {}

    def without(self, *keys: str) -> Section:
        """This section, a mapping, without some of its keys."""
        return replace(self, data={key: value for key, value in self.data.items() if key not in keys})

    def evaluated(self, evaluate: Callable[[str, Place], Any]) -> Section:
        """This section with its strings that hold a Jinja expression rendered by `evaluate`."""
        return replace(self, data=_evaluated(self, evaluate))

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
                problems.append(Problem(f"fsbuild does not support '{key}' yet", self.place_of(key), is_minor=True))
            elif key not in known:
                hint = suggest(str(key), known)
                problems.append(Problem(f"unknown key '{key}'", self.place_of(key), hint=hint, is_minor=True))


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


def parse_yaml(text: str, file: str) -> Section:
    """Parse a YAML file into a section; an empty file is an empty mapping.

    Raises:
        ProjectError: the text is not YAML, a key is written twice, or the top level is not a mapping.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as exc:
        raise ProjectError(_yaml_problem(exc, text, Place(file))) from exc
    except RecursionError as exc:
        raise ProjectError(Problem("not valid YAML: nested too deeply", Place(file))) from exc
    # Before anything is built: building merges `<<` into the nodes, whose keys may be overridden.
    problems = list(dict.fromkeys(_node_problems(node, file))) if node is not None else []
    lines: dict[Path, int] = {}

    def build(node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - YAML holds anything
        lines.setdefault(path, node.start_mark.line + 1)
        try:
            if isinstance(node, yaml.MappingNode):
                loader.flatten_mapping(node)
                built: dict[Any, Any] = {}
                for key_node, value_node in node.value:
                    key = loader.construct_object(key_node)
                    lines[(*path, key)] = key_node.start_mark.line + 1
                    built[key] = build(value_node, (*path, key))
                return built
            if isinstance(node, yaml.SequenceNode):
                return [build(item, (*path, index)) for index, item in enumerate(node.value)]
            return loader.construct_object(node)
        # PyYAML's own errors, and those of the conversions that it leaves to Python: a month 13, `!!bool perhaps`.
        except (yaml.YAMLError, ValueError, LookupError) as exc:
            problems.append(_yaml_problem(exc, text, Place(file, node.start_mark.line + 1)))
            return None

    data = build(node, ()) if node is not None and not problems else {}
    if not problems and not isinstance(data, dict):
        problems.append(Problem("the file is not a mapping of keys to values", Place(file, 1)))
    if problems:
        raise ProjectError(problems)
    return Section(file, data, lines)


def _node_problems(node: yaml.Node, file: str, above: tuple[yaml.Node, ...] = ()) -> Iterator[Problem]:
    """Report what YAML allows and a project does not: a key twice, a key that is no word, a value inside itself."""
    place = Place(file, node.start_mark.line + 1)
    if node in above:
        yield Problem("a value contains itself", place)
        return
    inner = (*above, node)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _node_problems(item, file, inner)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[tuple[str, str]] = set()
    for key, value in node.value:
        key_place = Place(file, key.start_mark.line + 1)
        if not isinstance(key, yaml.ScalarNode):
            hint = 'write a Jinja expression in quotes: "{{ … }}"'
            yield Problem("a key is a list or a mapping", key_place, hint=hint)
        elif (key.tag, key.value) in seen:
            yield Problem(f"'{key.value}' is written twice", key_place)
        else:
            seen.add((key.tag, key.value))
        yield from _node_problems(value, file, inner)


def _yaml_problem(exc: Exception, text: str, place: Place) -> Problem:
    """Word an error of PyYAML; `place` is used where the error has none of its own."""
    message = f"not valid YAML: {getattr(exc, 'problem', None) or exc}"
    mark = getattr(exc, "problem_mark", None)
    if mark is None:
        return Problem(message, place)
    written = dict(enumerate(text.splitlines())).get(mark.line)
    return Problem(message, Place(place.file, mark.line + 1, mark.column + 1), excerpt=written)


def _evaluated(section: Section, evaluate: Callable[[str, Place], Any]) -> Any:  # noqa: ANN401 - YAML holds anything
    if isinstance(section.data, dict):
        return {key: _evaluated(section[key], evaluate) for key in section.data}
    if isinstance(section.data, list):
        return [_evaluated(section[index], evaluate) for index in range(len(section.data))]
    if isinstance(section.data, str) and "{{" in section.data and not _is_left(section.path):
        return evaluate(section.data, section.place)
    return section.data


def _is_left(path: Path) -> bool:
    """Whether a template is rendered later, or by somebody else: metrics are filtered by who asks."""
    return not _LATER.isdisjoint(path) or (path[0] in _OF_METRICS and not _FILTERS.isdisjoint(path))
