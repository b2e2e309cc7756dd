"""A folder in, its files over HTTP out, for people who look at a site that is not on their machine."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(SimpleHTTPRequestHandler):
    """Gives files, says nothing, and has browsers ask again whether they have changed."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the name and types of the base class
        """Say nothing: who looks at what is nobody's business."""

    def end_headers(self) -> None:
        """Add what every answer has."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


def serve(folder: Path, host: str, port: int) -> ThreadingHTTPServer:
    """Open a server for a folder; `serve_forever` of what is returned answers until it is shut down.

    Port 0 stands for any that is free; `server_port` tells it then.

    Raises:
        OSError: the address is taken, or not this machine's.
    """
    return ThreadingHTTPServer((host, port), partial(_Handler, directory=str(folder)))
