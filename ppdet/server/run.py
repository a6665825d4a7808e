"""Runs the application until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket

import uvicorn
from fastapi import FastAPI

from ppdet.core.errors import UserError
from ppdet.deploy.errors import DeployError, say
from ppdet.server.metrics import Metrics
from ppdet.server.models import Models
from ppdet.server.protocol import BoundedHttp

_BACKLOG = 512
_KEEP_ALIVE = 65  # seconds; usual proxies close a connection after 60, and should be the first to do so
_GRACE = 5.0  # seconds after the time limit of a request in which its answer is sent


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises UserError if it cannot."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--host, --port: {host} {port} cannot be used ({reason}); choose others") from None
    # asyncio turns off Nagle's algorithm, which can hold an answer for 40 ms, only where the protocol is named
    return socket.socket(sock.family, sock.type, socket.IPPROTO_TCP, fileno=sock.detach())


def describe(sock: socket.socket, has_token: bool) -> str:
    """Says where the server listens, and who can reach it."""
    host, port = sock.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return f"listening on {address}, for this machine alone; --host 0.0.0.0 lets others in"
    who = "all who have the token" if has_token else "everybody who reaches it: there is no token"
    return f"listening on {address}, for {who}"


def serve(app: FastAPI, models: Models, metrics: Metrics, sock: socket.socket, seconds: float, has_token: bool) -> None:
    """Answers requests until a signal. Then new ones are refused, and those that were begun are answered.

    seconds: the time limit of a request.
    """
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(2 * seconds + _GRACE),
    )
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: None)  # uvicorn, which has its own meanwhile, raises it again at the end
    try:
        asyncio.run(_Server(config, models, describe(sock, has_token)).serve([sock]))
    finally:
        models.close()
    say(f"stopped after {metrics.answers} answers", error=True)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, models: Models, announcement: str) -> None:
        super().__init__(config)
        self._models, self._announcement = models, announcement
        self._reloads: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._begin_reload)
        say(self._announcement, error=True)

    def _begin_reload(self) -> None:
        task = asyncio.ensure_future(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        try:
            await self._models.reload()
        except DeployError as error:
            say(f"error: {error}; the models stay as they are", error=True)
        else:
            say("the models are loaded again", error=True)
