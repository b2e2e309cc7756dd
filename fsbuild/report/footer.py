"""Events and the lines that tell of them in; the lines, above a footer that shows what is running, out to a terminal.

Nothing of the footer is left on the screen when the run ends, and no line is lost. Lines wait a tenth of a second at
most: one thread prints them together, is the only one to use rich, and imports it, so that nobody else waits for a
redraw, and a run that is over before the first one never loads rich at all.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

from fsbuild.report.run_text import elapsed_text, progress_text
from fsbuild.report.table import visible
from fsbuild.values import Event, NodeFinished, NodeStarted, RunFinished, RunStarted

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_TICK_S = 0.1
_BAR_WIDTH = 40


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the footer shows: when the run and each running node began, by name, and how far the run is."""

    began_at: float
    total: int
    done: int = 0
    running: tuple[tuple[str, str, float], ...] = ()


class Footer:
    """Keeps a footer below the lines of a run, from its first event to `close`."""

    def __init__(self, stream: TextIO, write: Callable[[list[str]], None], *, has_color: bool) -> None:
        self._stream = stream
        self._write = write
        self._has_color = has_color
        self._lines: deque[str] = deque()
        self._scene = _Scene(time.monotonic(), 0)  # replaced, never changed: the printing thread reads it unlocked
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._print_until_closed, name="fsbuild-report", daemon=True)

    def tell(self, event: Event, lines: Sequence[str]) -> None:
        """Print the lines of an event, and show what it changed; one call at a time."""
        self._lines.extend(lines)
        self._scene = _after(event, self._scene)
        if isinstance(event, RunStarted):
            self._thread.start()
        elif isinstance(event, RunFinished):
            self.close()

    def close(self) -> None:
        """Take the footer away and print what is left."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._write(self._take_lines())

    def _take_lines(self) -> list[str]:
        return [self._lines.popleft() for _ in range(len(self._lines))]

    def _print_until_closed(self) -> None:
        if self._closing.wait(_TICK_S):
            return
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        console = Console(
            file=self._stream,
            force_terminal=True,
            color_system="auto" if self._has_color else None,
            no_color=not self._has_color,
            highlight=False,
        )
        live = Live(
            console=console,
            get_renderable=lambda: _render(self._scene, console),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,  # data is none of ours
        )
        with live:
            while not self._closing.wait(_TICK_S):
                lines = self._take_lines()
                if lines:
                    console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)
                live.refresh()


def _after(event: Event, scene: _Scene) -> _Scene:
    if isinstance(event, RunStarted):
        return _Scene(time.monotonic(), event.total)
    if isinstance(event, NodeStarted):
        return replace(scene, running=(*scene.running, (event.unique_id, visible(event.name), time.monotonic())))
    if isinstance(event, NodeFinished):
        running = tuple(node for node in scene.running if node[0] != event.result.unique_id)
        return replace(scene, done=event.index, running=running)
    return scene


def _render(scene: _Scene, console: Console) -> RenderableType:
    """Draw the running nodes above a bar, a line each, whatever the width of the terminal."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    now = time.monotonic()
    progress = progress_text(scene.done, scene.total)
    running = ", ".join(f"{name} {elapsed_text(now - began_at, digits=1)}" for _, name, began_at in scene.running)
    names = Text(f"{' ' * len(progress)} {running}", style="dim" if console.color_system else "")
    names.truncate(console.width - 1, overflow="ellipsis")
    clock = elapsed_text(now - scene.began_at, digits=1)
    width = max(1, min(_BAR_WIDTH, console.width - len(progress) - len(clock) - 4))
    bar = ProgressBar(total=max(scene.total, 1), completed=scene.done, width=width, complete_style="green")
    line = Text.assemble(f"{progress} ", *((s.text, s.style or "") for s in console.render(bar)), f"  {clock}")
    line.truncate(console.width - 1)
    return Group(names, line)
