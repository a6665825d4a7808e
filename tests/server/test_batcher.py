"""The queue in front of a model."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest

from ppdet.deploy.errors import DeployError
from ppdet.server.batcher import Batcher
from ppdet.server.models import Model
from ppdet.server.refusals import Refused
from ppdet.server.work import detect
from tests.server.conftest import encoded

BLACK = np.zeros((2, 3, 3), np.uint8)


class Held:
    """A detector that waits for `go_on` before its first batch, and notes all."""

    lanes = 1

    def __init__(self, most: int | None = None) -> None:
        self.max_batch_size, self.batches = most, list[tuple[int, object]]()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def detect(self, images, threshold):
        self.batches.append((len(images), threshold))
        self.begun.set()
        assert self.go_on.wait(30)
        if threshold == 0.9:
            raise DeployError("the model fails")
        return [int(image.sum()) for image in images]


@pytest.fixture
def make():
    """Makes Batchers whose first image, which waits for `go_on`, is in work."""
    made: list[tuple[Held, Batcher]] = []

    def begin(most: int | None = None, batch_size: int = 3, capacity: int = 8) -> tuple[Held, Batcher]:
        held = Held(most)
        batcher = Batcher(held, batch_size, capacity)
        made.append((held, batcher))
        batcher.submit([BLACK], None)
        assert held.begun.wait(30)
        return held, batcher

    yield begin
    for held, batcher in made:
        held.go_on.set()
        batcher.close()


def test_images_that_wait_go_together_if_their_thresholds_are_equal(make):
    held, batcher = make()
    futures = [future for threshold in (0.1, 0.1, 0.2) for future in batcher.submit([BLACK, BLACK + 1], threshold)]
    assert batcher.waiting == 6
    held.go_on.set()
    assert [future.result(30).detections for future in futures] == [0, 18] * 3
    assert futures[0].result().size == (2, 3)
    assert held.batches == [(1, None), (3, 0.1), (1, 0.1), (2, 0.2)]


def test_only_as_many_as_the_model_takes(make):
    held, batcher = make(most=1)
    futures = batcher.submit([BLACK] * 3, None)
    held.go_on.set()
    assert len([future.result(30) for future in futures]) == 3
    assert held.batches == [(1, None)] * 4


def test_large_images_are_not_in_memory_together(make, monkeypatch):
    monkeypatch.setattr("ppdet.server.batcher._TOGETHER", 2 * BLACK.nbytes - 1)
    held, batcher = make()
    futures = batcher.submit([BLACK, BLACK, BLACK], 0.1)
    held.go_on.set()
    assert [future.result(30).detections for future in futures] == [0, 0, 0]
    assert held.batches == [(1, None), (2, 0.1), (1, 0.1)]


def test_a_full_queue_takes_all_images_of_a_request_or_none(make):
    held, batcher = make(capacity=4)
    batcher.submit([BLACK] * 3, None)
    with pytest.raises(Refused, match="^3 images are waiting already; send the request again") as refused:
        batcher.submit([BLACK] * 2, None)
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
    assert batcher.waiting == 3
    assert len(batcher.submit([BLACK], None)) == 1


def test_errors_belong_to_their_images(make):
    held, batcher = make()
    broken, whole = encoded()[:-300], encoded(suffix=".png")
    bad, good = batcher.submit([broken, whole], 0.3)
    (failing,) = batcher.submit([BLACK], 0.9)
    held.go_on.set()
    with pytest.raises(Refused, match=r"^images\[0\]: "):
        bad.result(30)
    assert good.result(30).size == (64, 64)
    with pytest.raises(DeployError, match="the model fails"):
        failing.result(30)
    (after,) = batcher.submit([BLACK], None)
    assert after.result(30).detections == 0


def test_close_does_what_waits_and_takes_no_more(make):
    held, batcher = make()
    futures = batcher.submit([BLACK] * 5, None)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    held.go_on.set()
    closing.join(30)
    assert all(future.done() for future in futures)
    with pytest.raises(Refused, match="the server is stopping"):
        batcher.submit([BLACK], None)


def test_a_cancelled_image_is_not_computed(make):
    held, batcher = make()
    first, second = batcher.submit([BLACK, BLACK], 0.4)
    assert first.cancel()
    held.go_on.set()
    second.result(30)
    assert held.batches == [(1, None), (1, 0.4)]


def test_a_request_that_takes_too_long_is_refused_and_its_images_leave_the_queue():
    futures: list[Future] = [Future(), Future()]
    batcher = SimpleNamespace(submit=lambda images, threshold: futures)
    with pytest.raises(Refused, match="^not done after 0.05 s; send fewer images") as refused:
        asyncio.run(detect(Model("x", None, batcher), [BLACK] * 2, None, 0.05))
    assert refused.value.status == 503
    assert all(future.cancelled() for future in futures)
