"""A server of the page for this machine alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ppdet.core.errors import UserError
from ppdet.web.files import HEADERS, MEDIA_TYPES

HOST = "127.0.0.1"
_TIMEOUT = 30  # seconds without a byte from a client


def make_server(files: Mapping[str, Path], port: int) -> ThreadingHTTPServer:
    """A server that gives `files` by their addresses, and nothing else. `port`: 0 takes any free one.

    Raises UserError if the port cannot be used.
    """
    handler = type("Handler", (_Handler,), {"files": dict(files)})
    try:
        return _Server((HOST, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--port: {port} cannot be used ({reason}); choose another, or 0 for any free one") from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away before it has everything is no error."""


class _Handler(BaseHTTPRequestHandler):
    files: Mapping[str, Path]
    timeout = _TIMEOUT
    server_version, sys_version = "ppdet", ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        name = unquote(urlsplit(self.path).path).removeprefix("/") or "index.html"
        path = self.files.get(name)
        if path is None or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with path.open("rb") as file:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", MEDIA_TYPES[path.suffix])
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            if with_body:
                shutil.copyfileobj(file, self.wfile)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing: the page says what is wrong."""
