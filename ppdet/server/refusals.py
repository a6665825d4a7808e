"""Answers to requests that are not done."""

from __future__ import annotations

from ppdet.deploy.errors import printable


class Refused(Exception):
    """A request that is not done.

    Args:
        status: the status of the answer.
        message: one line: what was found; what was expected or what to do.
        headers: headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(printable(message))
        self.status, self.headers = status, headers


def busy(message: str) -> Refused:
    """The refusal of a request that the client should send again a little later."""
    return Refused(503, message, {"Retry-After": "1"})
