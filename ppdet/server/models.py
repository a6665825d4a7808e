"""The models of a server, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from ppdet.deploy import Detector
from ppdet.server.batcher import Batcher
from ppdet.server.refusals import Refused


class Model(NamedTuple):
    """A detector and the queue in front of it."""

    name: str
    detector: Detector
    batcher: Batcher


class Models:
    """The models that are served. `get` and `reload` are called in the event loop.

    Args:
        load: loads all models, each by its name.
    """

    def __init__(self, load: Callable[[], Mapping[str, Model]]) -> None:
        self._load, self._models = load, load()
        self._reloading = asyncio.Lock()

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, name: str | None) -> Model:
        """The model `name`; None: the only one. Raises Refused if there is none."""
        names = ", ".join(self._models)
        if name is None and len(self._models) > 1:
            raise Refused(400, f"model: not given; expected one of {names}")
        model = next(iter(self._models.values())) if name is None else self._models.get(name)
        if model is None:
            raise Refused(404, f"model: found {name!r:.100}; expected one of {names}")
        return model

    async def reload(self) -> None:
        """Loads all models again, and takes them at once for new requests. The old ones do what waits for them.

        Raises DeployError if one cannot be loaded; then all stay as they are.
        """
        async with self._reloading:
            fresh = await asyncio.to_thread(self._load)
            old, self._models = self._models, fresh
            await asyncio.to_thread(close_all, old)

    def close(self) -> None:
        """Does what waits for the models, and ends their threads."""
        close_all(self._models)


def close_all(models: Mapping[str, Model]) -> None:
    """Does what waits for the models, and ends their threads."""
    for model in models.values():
        model.batcher.close()


def warm_up(detector: Detector) -> None:
    """Runs each lane once, so that the first requests do not wait. Raises DeployError if the model cannot run."""
    image = [detector.load(np.zeros((64, 64, 3), np.uint8))]
    with ExitStack() as stack:
        for lane in [stack.enter_context(detector.lane()) for _ in range(detector.lanes)]:
            prepared = lane.prepare(image)
            detector.finish(lane.run(prepared), prepared, detector.threshold)
