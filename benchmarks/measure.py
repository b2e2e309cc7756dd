"""A command line in, the wall time and peak memory of its whole process out; a failure is never timed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError

__all__ = ["Sample", "measure"]

# Linux counts ru_maxrss in KiB, macOS in bytes.
_RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
_TAIL_CHARS = 6000


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one command: wall time from start to exit in seconds, peak resident memory in MiB."""

    wall_s: float
    peak_mib: float


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Sample:
    """Run a command in `folder` and time it from outside, from start to exit.

    The kernel's count of peak memory starts at that of the process which starts the command, so this program
    imports nothing heavy.

    Raises:
        BenchmarkError: it exited with anything but 0; the end of its output is in the message.
    """
    with tempfile.TemporaryFile() as output:
        start_s = time.perf_counter()
        # The process is reaped below by wait4, which is the only call that says how much memory it used.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start_s
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            text = output.read().decode(errors="replace")[-_TAIL_CHARS:]
            shown = " ".join([Path(command[0]).name, *command[1:]])
            raise BenchmarkError(f"`{shown}` exited with {process.returncode}:\n{text}")
    return Sample(wall_s, usage.ru_maxrss * _RSS_UNIT_BYTES / 2**20)
