"""Detects in the images of many requests at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np

from ppdet.deploy import Detections, Detector
from ppdet.deploy.errors import DeployError
from ppdet.deploy.images import decode_image
from ppdet.server.refusals import Refused, busy

_TOGETHER = 1 << 26  # bytes of pixels that are in memory at a time, beside those of one more image
Image = bytes | np.ndarray  # an encoded image, or [h, w, 3] uint8 BGR


class Found(NamedTuple):
    """The detections of an image, and its size (height, width) in pixels."""

    detections: Detections
    size: tuple[int, int]


class _Job(NamedTuple):
    image: Image
    name: str
    threshold: float | None
    future: Future[Found]


class Batcher:
    """A bounded queue of images, and threads that decode them and detect in them.

    Images that wait and have the same threshold are computed together, if the model takes several; nobody waits for
    that.

    Args:
        detector: one whose arrays are BGR.
        batch_size: how many images are computed together at most.
        capacity: how many images wait at most.
        observe: gets the number of images of each batch.
    """

    def __init__(
        self, detector: Detector, batch_size: int, capacity: int, observe: Callable[[int], None] = lambda size: None
    ) -> None:
        self._detector, self._capacity, self._observe = detector, capacity, observe
        self._batch = min(batch_size, detector.max_batch_size or batch_size)
        self._jobs: deque[_Job] = deque()
        self._changed, self._closed = threading.Condition(), False
        # daemons: those of models whose loading ended after the server did would keep the process
        self._threads = [
            threading.Thread(target=self._work, name="ppdet-serve", daemon=True) for _ in range(detector.lanes)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """The number of images that wait."""
        return len(self._jobs)

    def submit(self, images: Sequence[Image], threshold: float | None) -> list[Future[Found]]:
        """A Future of each image. Raises Refused if so many cannot wait; then none of them does."""
        jobs = [_Job(image, f"images[{i}]", threshold, Future()) for i, image in enumerate(images)]
        with self._changed:
            if self._closed:
                raise busy("the server is stopping; send the request to another one, or again in a moment")
            if len(self._jobs) + len(jobs) > self._capacity:
                raise busy(f"{len(self._jobs)} images are waiting already; send the request again in a moment")
            self._jobs.extend(jobs)
            self._changed.notify(len(jobs))
        return [job.future for job in jobs]

    def close(self) -> None:
        """Takes no more images, and returns when those that wait are done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while group := self._next_group():
            self._observe(len(group))
            for loaded in _parts(group):
                self._detect(loaded)

    def _next_group(self) -> list[_Job]:
        """The images that wait longest and go together; none when the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            group: list[_Job] = []
            while (
                self._jobs
                and len(group) < self._batch
                and self._jobs[0].threshold == (group or self._jobs)[0].threshold
            ):
                group.append(self._jobs.popleft())
            return group

    def _detect(self, loaded: Sequence[tuple[_Job, np.ndarray]]) -> None:
        try:
            found = self._detector.detect([pixels for _, pixels in loaded], loaded[0][0].threshold)
        except Exception as error:
            for job, _ in loaded:
                job.future.set_exception(error)
        else:
            for (job, pixels), each in zip(loaded, found, strict=True):
                job.future.set_result(Found(each, pixels.shape[:2]))


def _parts(group: Sequence[_Job]) -> Iterator[list[tuple[_Job, np.ndarray]]]:
    """The images of a group with their pixels, all at a time unless they are large."""
    part: list[tuple[_Job, np.ndarray]] = []
    for job in group:
        if (pixels := _load(job)) is not None:
            part.append((job, pixels))
        if sum(each.nbytes for _, each in part) > _TOGETHER:
            yield part
            part = []
    if part:
        yield part


def _load(job: _Job) -> np.ndarray | None:
    """The pixels; None if nobody waits for them any more, or if they cannot be decoded."""
    if not job.future.set_running_or_notify_cancel():
        return None
    try:
        return decode_image(job.image, job.name) if isinstance(job.image, bytes) else job.image
    except DeployError as problem:
        job.future.set_exception(Refused(400, str(problem)))
    except Exception as error:
        job.future.set_exception(error)
    return None
