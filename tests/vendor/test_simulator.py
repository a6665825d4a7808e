"""A model runs in the process of a worker, which builds it once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.vendor import tools
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.simulator import Simulator
from tests.support.small_onnx import small_model

WORKER = """import json, sys
import numpy as np
job = json.loads(sys.stdin.readline())
assert job["simulate"]
if job["fails"]:
    sys.exit("no such operator")
print("built", flush=True)
for line in sys.stdin:
    given, found = json.loads(line)
    image = np.load(given)
    if image.max() > 100:
        sys.exit("out of range")
    np.savez(found, 2 * image, image.sum(keepdims=True))
    print("ran", flush=True)
"""


@pytest.fixture
def job(tmp_path, monkeypatch) -> Conversion:
    onnx = pytest.importorskip("onnx")
    (tmp_path / "fake_worker.py").write_text(WORKER)
    monkeypatch.setattr(tools, "_WORKERS", tmp_path)
    onnx.save(small_model(batch=1), str(tmp_path / "model.onnx"))
    return Conversion(tmp_path / "model.onnx", tmp_path / "model.fake")


def test_images_run_one_after_the_other(job) -> None:
    simulator = Simulator("fake", job, lambda job, folder: {"fails": False})
    assert simulator.inputs[0].shape == (1, 3, 16, 16)
    folder = simulator._folder
    for value in (1.0, 3.0):
        image = np.full((1, 3, 16, 16), value, np.float32)
        twice, total = simulator.run({"image": image})
        np.testing.assert_array_equal(twice, 2 * image)
        assert total.sum() == image.sum()
    with pytest.raises(UserError, match=r"^export.format: fake's simulator failed \(out of range\)$"):
        simulator.run({"image": np.full((1, 3, 16, 16), 101, np.float32)})
    simulator.close()
    assert simulator._process.returncode == 1
    assert not Path(folder).exists()


def test_a_model_that_cannot_be_built(job) -> None:
    with pytest.raises(UserError, match=r"^export.format: fake's simulator failed \(no such operator\)$"):
        Simulator("fake", job, lambda job, folder: {"fails": True})
