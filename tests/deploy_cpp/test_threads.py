"""Threads that detect compute at the same time, on any core, however busy the machine is: nothing here is timed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ppdet.deploy.cpus import default_threads
from tests.deploy.conftest import make_model
from tests.support.cpp_library import CppDetector, CppDetectors

SAMPLES = 100


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`make_model`'s file behind four convolutions, which take most of the time of a call."""
    onnx = pytest.importorskip("onnx")
    file = make_model(tmp_path_factory.mktemp("slow") / "model.onnx", batch=1)
    model = onnx.load(str(file))
    sides = [3, 64, 64, 64, 3]
    for i, (channels, filters) in enumerate(zip(sides, sides[1:], strict=False)):
        weights = np.full((filters, channels, 3, 3), 1 / (9 * channels), np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weights, f"weights{i}"))
        given = [f"layer{i}" if i else "image", f"weights{i}"]
        model.graph.node.insert(i, onnx.helper.make_node("Conv", given, [f"layer{i + 1}"], pads=[1] * 4))
    next(node for node in model.graph.node if node.op_type == "ReduceMean").input[0] = f"layer{len(sides) - 1}"
    file.write_bytes(model.SerializeToString())
    return file


def states(detectors: list[CppDetector]) -> list[list[tuple[str, set[int]]]]:
    """(state of the system's scheduler, allowed cores) of threads that detect without end, one for each detector."""
    image, ended = np.full((64, 64, 3), 200, np.uint8), threading.Event()

    def work(detector: CppDetector) -> None:
        while not ended.is_set():
            detector.detect(image)

    threads = [threading.Thread(target=work, args=(detector,)) for detector in detectors]
    for detector in detectors:
        detector.detect(image)
    for thread in threads:
        thread.start()
    found = []
    for _ in range(SAMPLES):
        time.sleep(0.003)
        ids = [thread.native_id for thread in threads if thread.native_id]
        stats = [Path(f"/proc/self/task/{number}/stat").read_text() for number in ids]
        found.append(
            [(stat.rpartition(")")[2].split()[0], os.sched_getaffinity(n)) for stat, n in zip(stats, ids, strict=True)]
        )
    ended.set()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not show the states of threads")
@pytest.mark.skipif(default_threads() < 2, reason="one core computes one call at a time")
@pytest.mark.parametrize("is_shared", [True, False])
def test_two_threads_run_at_the_same_time_and_on_any_core(cpp: CppDetectors, slow_model: Path, is_shared: bool) -> None:
    first = cpp(slow_model)
    samples = states([first, first if is_shared else cpp(slow_model)])
    everywhere = os.sched_getaffinity(0)
    assert all(cores == everywhere for sample in samples for _, cores in sample)
    both = sum(all(state == "R" for state, _ in sample) for sample in samples)
    assert both > SAMPLES / 2, f"both ran, or waited for a core alone, in {both} of {SAMPLES} samples"
