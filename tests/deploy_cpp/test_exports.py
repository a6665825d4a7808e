"""Every kind of export in every back end of the C++ command line: the boxes of Python's Detector on the same files."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from ppdet.deploy import Detector
from ppdet.deploy.detections import to_rows
from tests.deploy.conftest import export_published as export_published
from tests.support.cpp_library import difference, entries_of_cli

pytestmark = pytest.mark.slow

THRESHOLD = 0.05
KINDS = {
    "NMS": [],
    "decoded": ["export.nms=false"],
    "raw": ["export.post_process=false"],
    "raw, 4-D": ["export.post_process=false", "export.layout=4d", "export.batch_size=1"],
    "one image": ["export.batch_size=1"],
    "three images": ["export.batch_size=3"],
    "boxes of the input": ["export.boxes=input"],
    "normalized boxes": ["export.boxes=normalized", "export.nms=false"],
    "pixels": ["export.fuse_normalize=true", "export.input_dtype=uint8"],
    "half": ["export.fp16=true"],
    "any size": ["export.dynamic_size=true"],
    "end to end": ["PicoDet.head=PicoHeadE2E", "export.nms=none"],
}


@pytest.fixture(scope="module")
def images(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few photographs, one of them gray and one small."""
    folder = tmp_path_factory.mktemp("images")
    files = sorted((shared / "data" / "coco_tiny" / "val2017").glob("*.jpg"))[:6]
    for file in files:
        shutil.copy(file, folder)
    cv2.imwrite(str(folder / "gray.png"), cv2.imread(str(files[0]), cv2.IMREAD_GRAYSCALE))
    cv2.imwrite(str(folder / "small.png"), cv2.resize(cv2.imread(str(files[1])), (101, 67)))
    return folder


def check(release: Path, model: Path, backend: str, images: Path) -> None:
    detector = Detector(model, backend, threads=1, threshold=THRESHOLD)
    theirs = {file.name: to_rows(detector.detect(file)) for file in sorted(images.iterdir())}
    ours = entries_of_cli(release / "bin" / "picodet", model, images, backend, THRESHOLD)
    assert sum(map(len, theirs.values())) > 50
    assert difference(ours, theirs)[0] == 0


def backends(folder: Path) -> list[str]:
    """Those that run a file of the folder and are there, in C++ and in Python."""
    names = [path.suffix for path in folder.iterdir()]
    known = {"openvino": {".xml", ".onnx"}, "onnxruntime": {".onnx"}, "ncnn": {".param"}}
    built = {
        "openvino": True,
        "onnxruntime": os.environ.get("ONNXRUNTIME_INCLUDE_DIR"),
        "ncnn": os.environ.get("NCNN_DIR"),
    }
    return [
        name
        for name, suffixes in known.items()
        if built[name] and suffixes & set(names) and importlib.util.find_spec(name)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_are_those_of_python(
    release: Path, export_published: Callable[..., Path], images: Path, kind: str
) -> None:
    folder = export_published("onnx,openvino", *KINDS[kind])
    for backend in backends(folder):
        check(release, folder, backend, images)


def test_ncnn(release: Path, export_published: Callable[..., Path], images: Path) -> None:
    if not os.environ.get("NCNN_DIR"):
        pytest.skip("NCNN_DIR, the folder of ncnnConfig.cmake, is not set")
    for module in ("ncnn", "pnnx"):
        if not importlib.util.find_spec(module):
            pytest.skip(f"{module} is not installed")
    for options in ([], ["export.post_process=false"], ["export.fp16=true"]):
        check(release, export_published("ncnn", *options), "ncnn", images)


def test_int8(release: Path, export_published: Callable[..., Path], images: Path, tmp_path: Path) -> None:
    from ppdet.quantization.quantize import QuantizeSettings, quantize
    from tests.golden import CONFIGS
    from tests.support.tiny import make_run

    shared = Path(os.environ["PPDET_SHARED"])
    data = shared / "data" / "coco_tiny"
    overrides = [f"{name}Dataset.dataset_dir={data}" for name in ("Train", "Eval", "Test")]
    weights = f"weights={shared / 'weights' / 'picodet_xs_320_coco_lcnet.pdparams'}"
    run = make_run(CONFIGS / "picodet_xs_320_coco_lcnet.yml", *overrides, "worker_num=0", "device=cpu", weights)
    quantize(run, tmp_path / "out", QuantizeSettings(formats=["onnx", "openvino"], images=10))
    for suffix, backend in ((".onnx", "onnxruntime"), (".xml", "openvino")):
        (model,) = (tmp_path / "out").rglob(f"*_int8{suffix}")
        if backend in backends(model.parent):
            check(release, model, backend, images)
