"""From checked requests to what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ppdet.server.batcher import Found, Image
from ppdet.server.models import Model
from ppdet.server.refusals import busy


async def detect(model: Model, images: Sequence[Image], threshold: float | None, seconds: float) -> list[Found]:
    """What the model finds in each image. Raises Refused if the queue is full, or it takes more than `seconds`."""
    futures = model.batcher.submit(images, threshold)
    try:
        return await asyncio.wait_for(asyncio.gather(*map(asyncio.wrap_future, futures)), seconds)
    except asyncio.TimeoutError:
        raise busy(f"not done after {seconds:g} s; send fewer images, or the request again later") from None
    finally:
        for future in futures:
            future.cancel()  # after an error, those that wait need not be done
