"""The ncnn back end of the C++ library with a small model. NCNN_DIR is the folder of ncnnConfig.cmake."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from ppdet.deploy import Detector
from ppdet.deploy.checksum import model_checksum
from ppdet.deploy.detections import to_rows
from tests.deploy.conftest import INFER_CFG
from tests.deploy_cpp.conftest import SANITIZED, run
from tests.support.cpp_library import CppDetectors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("NCNN_DIR"), reason="NCNN_DIR, the folder of ncnnConfig.cmake, is not set"),
]

LAYERS = """7767517
6 6
MemoryData boxes 0 1 boxes 0=4 1=1
Input image 0 1 image
Convolution wide 1 1 image wide 0=7 1=3 4=1 5=1 6=189
Pooling mean 1 1 wide mean 0=1 4=1
InnerProduct sum 1 1 mean sum 0=2 1=1 2=14
Reshape scores 1 1 sum scores 0=1 1=2
"""


def write_model(folder: Path, checksum: bool = False) -> Path:
    """A model that finds one dog in the middle of each image: as sure as the image is bright."""
    folder.mkdir(parents=True)
    file = folder / "model.param"
    file.write_text(LAYERS)
    raw = np.zeros(1, np.float32)  # says that weights in float32 follow
    parts = [
        np.array([0.25, 0.25, 0.75, 0.75]),
        raw,
        np.full(189, 1 / 189),
        np.zeros(7),
        raw,
        np.repeat([0, 7 / 4.45 / 7], 7),
        np.array([0, 2.04 / 4.45]),
    ]
    file.with_suffix(".bin").write_bytes(np.concatenate(parts).astype(np.float32).tobytes())
    config = {**INFER_CFG, **({"checksum": model_checksum(file)} if checksum else {})}
    (folder / "model.param.json").write_text(json.dumps(config))
    return file


@pytest.fixture(scope="module")
def detectors(release: Path) -> CppDetectors:
    return CppDetectors(release / "lib" / "libpicodet.so")


def test_boxes_are_those_of_python(detectors: CppDetectors, tmp_path: Path) -> None:
    pytest.importorskip("ncnn")
    model = write_model(tmp_path / "größe 尺寸", checksum=True)
    ours, theirs = detectors(model.parent, "ncnn"), Detector(model, "ncnn", threads=1, order="bgr")
    for size in ((48, 80), (64, 64), (33, 150)):
        image = np.full((*size, 3), 200, np.uint8)
        (row,) = to_rows(theirs.detect(image))
        assert ours.detect(image) == pytest.approx(row[None, [2, 3, 4, 5, 1, 0]], abs=1e-4)


def test_the_float_model_of_a_folder_is_taken(detectors: CppDetectors, tmp_path: Path) -> None:
    model = write_model(tmp_path / "export")
    for file in model.parent.iterdir():
        for stem in ("small.ncnn", "small_int8.ncnn"):
            (model.parent / file.name.replace("model", stem)).write_bytes(file.read_bytes())
        file.unlink()
    bright = np.full((64, 64, 3), 200, np.uint8)
    assert len(detectors(model.parent, "ncnn").detect(bright)) == 1
    (model.parent / "small.ncnn.param").unlink()
    with pytest.raises(RuntimeError, match="has only INT8 models; name the file"):
        detectors(model.parent, "ncnn")
    assert len(detectors(model.parent / "small_int8.ncnn.param").detect(bright)) == 1


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("model.bin", None, "model.bin is not beside it; copy all files of the export"),
        ("model.param.json", None, "model.param.json is not beside it; copy all files of the export"),
        ("model.param.json", "{", "infer_cfg: cannot be read, it is no JSON"),
        ("model.bin", "1234", "not as they were exported"),
        ("model.param", "7767517\n1 1\nNothing a 0 1 a\n", "not as they were exported"),
    ],
)
def test_files_that_are_missing_or_damaged(
    detectors: CppDetectors, tmp_path: Path, name: str, content: str | None, problem: str
) -> None:
    model = write_model(tmp_path / "export", checksum=True)
    file = model.with_name(name)
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(RuntimeError, match=problem) as error:
        detectors(model)
    assert str(error.value).startswith(f"{model}: ")


def test_a_layer_that_ncnn_does_not_know(detectors: CppDetectors, tmp_path: Path) -> None:
    model = write_model(tmp_path / "export")
    model.write_text(LAYERS.replace("Pooling", "Nothing"))
    with pytest.raises(
        RuntimeError, match=r"ncnn cannot load it \(ncnn cannot read the layers; its message stands above"
    ):
        detectors(model)


@pytest.mark.parametrize("name", ["model.param", "model.bin", "model.param.json"])
@pytest.mark.parametrize("checksum", [True, False])
def test_a_hundred_mutated_models(sanitized: Path, tmp_path: Path, name: str, checksum: bool) -> None:
    model = write_model(tmp_path / "export", checksum)
    done = run(sanitized / "picodet_fuzz", model.with_name(name), "100", "1", **SANITIZED)
    assert done.returncode == 0, done.stdout + done.stderr
