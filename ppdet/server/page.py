"""The page at /, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.responses import FileResponse, RedirectResponse
from starlette.responses import Response


class Page(NamedTuple):
    """The files of a page by their addresses, as index.html, and the headers and media types (by suffix) they need."""

    files: Mapping[str, Path]
    headers: Mapping[str, str]
    types: Mapping[str, str]


NO_PAGE = Page({}, {}, {})


def add_page(app: FastAPI, page: Page) -> None:
    """Serves the files of a page, and nothing else of the disk. `/` is its index.html, or /docs if it has none."""
    for name, path in page.files.items():
        send = _sender(path, page)
        app.add_api_route(f"/{name}", send, include_in_schema=False)
        if name == "index.html":
            app.add_api_route("/", send, include_in_schema=False)
    if "index.html" not in page.files:
        app.add_api_route("/", _to_docs, include_in_schema=False)


def _sender(path: Path, page: Page) -> Callable[[], Coroutine[Any, Any, Response]]:
    async def send() -> Response:
        return FileResponse(path, headers=dict(page.headers), media_type=page.types.get(path.suffix))

    return send


async def _to_docs() -> Response:
    return RedirectResponse("docs")
