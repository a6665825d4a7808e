"""The application: all routes."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ppdet import __version__
from ppdet.server.gate import Gate, refusal
from ppdet.server.limits import Limits
from ppdet.server.metrics import Metrics
from ppdet.server.models import Models
from ppdet.server.page import NO_PAGE, Page, add_page
from ppdet.server.refusals import Refused
from ppdet.server.v1 import v1_routes
from ppdet.server.v2 import v2_routes

_ABOUT = 'Detects objects in images. Errors are JSON, `{"error": "…"}`, one line that says what to do.'


def make_app(
    models: Models, metrics: Metrics, limits: Limits, token: bytes | None = None, page: Page = NO_PAGE
) -> FastAPI:
    """The application. `token`: see Gate."""
    app = FastAPIOffline(title="ppdet serve", description=_ABOUT, version=__version__, redoc_url=None)
    app.add_middleware(Gate, token=token, most=limits.queue, answered=metrics.answered)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(Exception, _failed)

    @app.get("/healthz", tags=["health"], summary="Whether the server runs")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"], summary="Whether the server has its models")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    @app.get("/metrics", tags=["health"], summary="Counts, for Prometheus")
    async def show_metrics() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.include_router(v1_routes(models, limits))
    app.include_router(v2_routes(models, limits))
    add_page(app, page)
    return app


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error)


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    allowed = dict(error.headers or {})
    if error.status_code == 405:
        message = f"{method} {path:.100}: expected {allowed.get('Allow', 'another method')}; see /docs"
    else:
        message = f"{path:.100}: {error.detail}; see /docs"
    return refusal(Refused(error.status_code, message, allowed))


async def _failed(request: Request, error: Exception) -> Response:
    logging.getLogger(__name__).error("%s: %s", request.url.path, error)
    return refusal(Refused(500, "the server failed; its log has the reason"))
