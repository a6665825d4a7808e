"""HTTP with a bound on what comes before a body."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST = 1 << 16  # bytes of an address with its headers
_TOO_LARGE = b'{"error": "headers: more than 65,536 bytes with the address; send options in the body"}'
_ANSWER = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"


class BoundedHttp(HttpToolsProtocol):
    """Sends clients away whose headers do not end: httptools keeps them, whatever their size."""

    _unfinished = 0  # bytes since headers ended, or a piece of a body came

    def data_received(self, data: bytes) -> None:
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > _MOST and not self.transport.is_closing():
            self.transport.write(_ANSWER + b"Content-Length: %d\r\n\r\n" % len(_TOO_LARGE) + _TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._unfinished = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)
