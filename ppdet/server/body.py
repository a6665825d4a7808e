"""Reads the bodies of requests within limits."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from ppdet.server.limits import Limits
from ppdet.server.refusals import Refused


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body of a request. Raises Refused if it is empty, compressed, too large, or too slow."""
    if encoding := request.headers.get("content-encoding", "identity").lower().replace("identity", ""):
        raise Refused(415, f"Content-Encoding: found {encoding:.50}; expected none; send the body as it is")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limits.body:
        raise _too_large(limits)
    try:
        body = await asyncio.wait_for(_read(request, limits), limits.seconds)
    except asyncio.TimeoutError:
        raise Refused(408, f"body: not there after {limits.seconds:g} s; send it faster, or a smaller one") from None
    except ClientDisconnect:
        raise Refused(400, "body: the client went away") from None
    if not body:
        raise Refused(400, "body: found nothing; expected an image, a form with images, or JSON; see /docs")
    return body


async def _read(request: Request, limits: Limits) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limits.body:
            raise _too_large(limits)
    return bytes(body)


def _too_large(limits: Limits) -> Refused:
    size = f"{limits.body:,} bytes"
    return Refused(413, f"body: larger than {size}, the most that is taken; send smaller images, or fewer at a time")
