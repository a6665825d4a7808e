"""One Detector in many threads gives what it gives in one."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from ppdet.deploy import Detections, Detector, cpus
from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino
from ppdet.deploy.detections import to_rows
from ppdet.deploy.errors import DeployError
from ppdet.export.export import export
from tests.deploy.conftest import make_model
from tests.support.tiny import make_run
from tests.support.trained import write_trained_config

BACKENDS = ("paddle", "onnxruntime", "openvino")


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """A network of 85 points; `model.onnx` is the model of one constant box, whose score is how bright an image is."""
    folder = tmp_path_factory.mktemp("threads")
    path = export(make_run(write_trained_config(folder)), folder)
    make_model(path / "model.onnx")
    return path


@pytest.fixture(scope="module", params=BACKENDS)
def detector(request, exported) -> Detector:
    pytest.importorskip(request.param)
    return Detector(exported, request.param, threads=1, threshold=0.0)


def images() -> list[np.ndarray]:
    """Of many sizes, so that buffers change, each of another brightness."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 8 * i + 16, (20 + 7 * i, 40 + 3 * (i % 5), 3), np.uint8) for i in range(25)]


def equal(found: Detections, expected: Detections) -> bool:
    return bool(np.array_equal(to_rows(found), to_rows(expected)))


def test_openvino_leaves_the_choice_of_cores_to_the_system(exported):
    """Bound to cores, all compiled models, and all processes, would compute on the first ones."""
    pytest.importorskip("openvino")
    models = OpenVino(exported / "model.onnx", threads=1)._models
    assert models.first.get_property("ENABLE_CPU_PINNING") is False


def test_eight_threads(detector):
    pictures = images()
    expected = [detector.detect(picture) for picture in pictures]
    assert len({found.scores[0] for found in expected}) == len(pictures)

    def work(number: int) -> int:
        """How many results are another picture's; threads go through the pictures in different orders."""
        order = np.random.default_rng(number).permutation(len(pictures) * 3) % len(pictures)
        return sum(not equal(detector.detect(pictures[i]), expected[i]) for i in order)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [0] * 8


def test_lists_and_tiles_in_threads(detector):
    pictures = images()[:6]
    expected = detector.detect(pictures), detector.detect_sliced(pictures[5], tile=(32, 32))

    def work(number: int) -> bool:
        together, sliced = detector.detect(pictures), detector.detect_sliced(pictures[5], tile=(32, 32))
        return all(map(equal, [*together, sliced], [*expected[0], expected[1]]))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(12)))


def test_a_lane_is_lent_to_one_thread(detector):
    """What `prepare` and `run` gave one thread does not change while another one works."""
    bright, dark = np.full((64, 64, 3), 250, np.uint8), np.full((64, 64, 3), 10, np.uint8)
    with detector.lane() as lane:
        prepared = lane.prepare([detector.load(bright)])
        outputs = lane.run(prepared)
        before = [prepared.image.copy(), *(each.copy() for each in outputs)]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(detector.detect, dark).result()
        for now, then in zip([prepared.image, *outputs], before, strict=True):
            np.testing.assert_array_equal(now, then)


def test_a_stream_gives_what_detect_gives(detector):
    pictures = images()
    expected = [detector.detect(picture) for picture in pictures]
    found = list(detector.stream(iter(pictures)))
    assert len(found) == len(expected)
    assert all(map(equal, found, expected))


def test_tasks_of_an_event_loop(detector):
    pictures = images()
    expected = [detector.detect(picture) for picture in pictures]

    async def all_at_once() -> list[Detections]:
        return await asyncio.gather(*(detector.detect_async(picture) for picture in pictures))

    assert all(map(equal, asyncio.run(all_at_once()), expected))


def test_openvino_compiles_no_more_models_than_the_cores_run(exported, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(cpus, "allowed_cores", lambda: 2.0)
    detector = Detector(exported, "openvino", threads=1)
    with ExitStack() as stack:
        lanes = [stack.enter_context(detector.lane()) for _ in range(detector.lanes)]
        models = lanes[0].backend._models
        assert (len(lanes), len(models._compiled)) == (3, 2)
        assert len({id(lane.backend._request) for lane in lanes}) == 3
    assert Detector(exported, "openvino", threads=2).lanes == 2


def test_a_backend_without_clones_runs_one_call_at_a_time(exported):
    pytest.importorskip("onnxruntime")

    class InTurn:
        def __init__(self) -> None:
            self._model, self._running = OnnxRuntime(exported / "model.onnx", 1), threading.Lock()
            self.inputs, self.infer_cfg = self._model.inputs, self._model.infer_cfg

        def run(self, feeds):
            assert self._running.acquire(blocking=False), "two calls at the same time"
            try:
                return self._model.run(feeds)
            finally:
                self._running.release()

    detector = Detector(InTurn(), threads=1, threshold=0.0)
    assert len(list(detector.stream(images()))) == len(images())
    with ThreadPoolExecutor(4) as pool:
        assert all(len(found) == 1 for found in pool.map(detector.detect, images()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_may_use_it(detector):
    pictures = images()[:3]
    expected = [detector.detect(picture) for picture in pictures]
    child = os.fork()
    if child == 0:
        try:
            os._exit(
                sum(not equal(detector.detect(*each), found) for *each, found in zip(pictures, expected, strict=True))
            )
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("forked_while", ["detecting", "idle"])
def test_openvino_in_a_child_that_was_forked_while_threads_detected(exported, forked_while):
    """It would wait for ever: the threads that hold OpenVINO's locks are not in the child."""
    pytest.importorskip("openvino")
    detector = Detector(exported, "openvino", threads=1)
    with detector.lane() as lane:
        at_work = lane.backend._models.busy_threads
    at_work |= {1} if forked_while == "detecting" else set()
    child = os.fork()
    if child == 0:
        try:
            detector.detect(images()[0])
            at_work.add(1)  # a thread of the child
            detector.detect(images()[0])
            os._exit(0)
        except DeployError as error:
            os._exit(7 if "forked while threads" in str(error) else 98)
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (7 if forked_while == "detecting" else 0)
