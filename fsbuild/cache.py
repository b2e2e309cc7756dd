"""Answers that took work, kept below a project's target folder under the digest of all that they follow from.

Enters: a kind of answer, the digest of what it follows from, and the answer as a line of text. Leaves: the same line,
for the same kind and digest. The invariant: what comes back was put in under that digest, by the same program. The file
is always safe to delete; what is missing, damaged or another program's is an answer that is worked out again. Two
processes at once do not disturb each other: the file is replaced as a whole, and the last one to end is remembered.

A file is a line that names the program, and then a line for each answer: how many times the file has been written since
the answer was last used, the digest, a checksum of the text, and the text. What was not used for a while is left out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

_DIGEST_END = 33  # behind the age, a digit, and the digest, 32 of them
_TEXT_BEGIN = 41  # behind the checksum, 8 digits
_OLDEST = 9


def digest(*parts: object) -> str:
    """Identify what an answer follows from, by what `repr` says of it.

    >>> digest("a", 1) == digest("a", 1), digest("a", 1) == digest("a", "1")
    (True, False)
    """
    return hashlib.blake2b(repr(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


class Cache:
    """The answers in one file. They are read at once, and told apart and taken in when they are asked for."""

    def __init__(self, file: Path, program: str) -> None:
        """Read a file that the same `program` has written; any other is as good as none."""
        self._file = file
        self._first = f"fsbuild {digest(program)}".encode()
        self._lines = dict(self._read())
        self._used: set[bytes] = set()
        self._added: dict[bytes, bytes] = {}

    def get(self, kind: str, key: str) -> str | None:
        """Tell an answer, or None where it has to be worked out."""
        name = _name(kind, key)
        line = self._added.get(name) or self._lines.get(name)
        if line is None:
            return None
        text = line[_TEXT_BEGIN:]
        if line[_DIGEST_END:_TEXT_BEGIN] != _checksum(name + text):
            return None
        self._used.add(name)
        return text.decode()

    def put(self, kind: str, key: str, text: str) -> None:
        """Keep an answer, which is one line of text."""
        name, written = _name(kind, key), text.encode()
        if b"\n" in written:
            raise ValueError("an answer is one line")
        self._added[name] = b"0" + name + _checksum(name + written) + written

    def save(self) -> None:
        """Write what was added since the file was read, with the answers that were used lately; else do nothing."""
        if not self._added:
            return
        lines = {
            **{name: aged for name, line in self._lines.items() if (aged := self._aged(name, line))},
            **self._added,
        }
        beside = self._file.with_name(f"{self._file.name}.{os.getpid()}.part")
        with suppress(OSError):  # a folder that cannot be written to is no reason to fail
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(b"\n".join([self._first, *lines.values()]))
            beside.replace(self._file)
        self._lines, self._added = lines, {}

    def _read(self) -> Iterator[tuple[bytes, bytes]]:
        with suppress(OSError):
            first, *lines = self._file.read_bytes().split(b"\n")
            if first == self._first:
                yield from ((line[1:_DIGEST_END], line) for line in lines)

    def _aged(self, name: bytes, line: bytes) -> bytes | None:
        if name in self._used:
            return b"0" + line[1:]
        age = int(line[:1]) if line[:1].isdigit() else _OLDEST
        return None if age >= _OLDEST else b"%d" % (age + 1) + line[1:]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The answers of one kind, as they are under certain circumstances: settings, say, that all of them follow from."""

    cache: Cache
    kind: str
    circumstances: object = None

    def key(self, *parts: object) -> str:
        """Identify what one of these answers follows from."""
        return digest(self.circumstances, *parts)

    def get(self, key: str) -> str | None:
        """Tell an answer, or None where it has to be worked out."""
        return self.cache.get(self.kind, key)

    def put(self, key: str, text: str) -> None:
        """Keep an answer, which is one line of text."""
        self.cache.put(self.kind, key, text)


def _name(kind: str, key: str) -> bytes:
    return hashlib.blake2b(f"{kind} {key}".encode(), digest_size=16).hexdigest().encode()


def _checksum(line: bytes) -> bytes:
    return b"%08x" % crc32(line)
