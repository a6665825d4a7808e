"""What every request passes before it is read."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ppdet.server.refusals import Refused, busy

_OPEN = ("/v2/health/",)  # for probes, which have no token
_PROTECTED = ("/v1/", "/v2", "/metrics")


def refusal(refused: Refused) -> Response:
    """The answer to a request that is not done: one line of JSON."""
    return JSONResponse({"error": str(refused)}, refused.status, refused.headers)


class Gate:
    """Checks the token, bounds the number of requests that are read or wait, and counts answers.

    Args:
        app: what answers.
        token: the token that requests need; None: they need none.
        most: the number of POST requests that are in work at most.
        answered: gets path, status and seconds of each answer.
    """

    def __init__(
        self, app: ASGIApp, token: bytes | None, most: int, answered: Callable[[str, int, float], None]
    ) -> None:
        self._app, self._token, self._most, self._answered = app, token, most, answered
        self._in_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        counts = scope["method"] == "POST"
        self._in_work += counts
        try:
            refused = self._refused(scope)
            await (refusal(refused) if refused else self._app)(scope, receive, send_and_note)
        finally:
            self._in_work -= counts
            path = getattr(scope.get("route"), "path", "other")
            self._answered(path, status, time.perf_counter() - start)

    def _refused(self, scope: Scope) -> Refused | None:
        path = scope["path"]
        if self._token is not None and path.startswith(_PROTECTED) and not path.startswith(_OPEN):
            kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), self._token):
                message = "Authorization: no token, or another one; expected `Bearer <token>` with the server's token"
                return Refused(401, message, {"WWW-Authenticate": "Bearer"})
        if self._in_work > self._most:
            return busy(f"{self._most} requests are in work already; send the request again in a moment")
        return None
