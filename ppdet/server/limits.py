"""The most that a client may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from ppdet.core.errors import UserError
from ppdet.deploy.image_files.header import MAX_PIXELS


@dataclass(frozen=True)
class Limits:
    """The most that a client may ask for.

    Attributes:
        body: bytes of a request's body.
        pixels: pixels of an image, which are read from its header before it is decoded.
        images: images of a request.
        queue: requests that are read or wait at a time, and images that wait for a model; further ones get 503.
        seconds: time for a body to arrive, and for its images to be done.

    Raises:
        UserError: a number is too small or too large.
    """

    body: int = 20 << 20
    pixels: int = 50_000_000
    images: int = 16
    queue: int = 64
    seconds: float = 30.0

    def __post_init__(self) -> None:
        for option, value, least, most in (
            ("--max_body_mb", self.body / (1 << 20), 0.01, 1024),
            ("--max_pixels", self.pixels, 1, MAX_PIXELS),
            ("--queue", self.queue, 1, 100_000),
            ("--max_images", self.images, 1, self.queue),
            ("--timeout", self.seconds, 0.1, 3600),
        ):
            if not least <= value <= most:
                raise UserError(f"{option}: found {value:g}; expected {least:g} to {most:g}")
