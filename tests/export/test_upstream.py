"""Our exports run in PaddleDetection's `deploy/python/infer.py`: its rules give the boxes that `Detector` gives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest
import yaml

from ppdet.deploy import Detector
from ppdet.deploy.backends.runtimes import PaddleInference
from ppdet.deploy.detections import to_rows
from ppdet.export.export import export
from ppdet.export.paddle_format import program_file
from ppdet.training.checkpoint import save_weights
from tests.support import upstream
from tests.support.tiny import CLASSES, make_run
from tests.support.trained import published_run, write_trained_config

KINDS = {
    "default": ([], "GFL"),
    "raw": (["export.post_process=false"], "PicoDet"),
    "benchmark": (["export.benchmark=true"], "PicoDet"),
    "fuse_normalize": (["export.fuse_normalize=true"], "GFL"),
    "keep_ratio": (
        [
            "export.dynamic_size=true",
            "TestReader.sample_transforms.1.Resize.keep_ratio=true",
            "TestReader.batch_transforms=[{PadBatch: {pad_to_stride: 32}}]",
        ],
        "GFL",
    ),
}


def runner(folder: Path) -> upstream.Run:
    """Paddle Inference, fed by name."""
    return PaddleInference(program_file(folder), 1).run


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    """Weights whose scores are about 0.5, above what the decoder of raw outputs there asks for."""
    folder = tmp_path_factory.mktemp("upstream")
    path = write_trained_config(folder)
    model = make_run(path).load_model()
    for layer in model.head.head_cls:
        layer.bias.set_value(paddle.zeros_like(layer.bias))
    save_weights(folder / "weights", model, model.state_dict())
    return path


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow if kind == "benchmark" else ()) for kind in KINDS]
)
def test_the_boxes_are_those_of_the_detector(config, tmp_path, kind):
    overrides, arch = KINDS[kind]
    folder = export(make_run(config, *overrides), tmp_path)
    assert yaml.safe_load((folder / "infer_cfg.yml").read_text())["arch"] == arch
    picture = config.parent / "images" / "1.png"
    assert compared(folder, picture, threshold=0.41) > 5


def test_thresholds_of_classes_change_nothing_there(config, tmp_path):
    file = tmp_path / "thresholds.yml"
    file.write_text(yaml.safe_dump({"thresholds": dict.fromkeys(CLASSES, 0.9)}))
    plain = export(make_run(config, "filename=plain"), tmp_path)
    ours = export(make_run(config, "filename=ours", f"export.thresholds={file}"), tmp_path)
    picture = config.parent / "images" / "1.png"
    plain_rows, rows = (upstream.detect(folder, runner(folder), picture) for folder in (plain, ours))
    np.testing.assert_array_equal(rows, plain_rows)
    assert compared(ours, picture, threshold=0.41) > 5
    assert len(Detector(ours, "paddle").detect(picture)) == 0


@pytest.mark.parametrize("kind", ["default", pytest.param("raw", marks=pytest.mark.slow)])
def test_published_weights(shared, tmp_path, kind):
    folder = export(published_run(shared, "xs_320_lcnet", *KINDS[kind][0]), tmp_path)
    picture = shared / "data" / "coco_tiny" / "val2017" / "000000017627.jpg"
    assert compared(folder, picture, threshold=0.5) > 3


def compared(folder: Path, picture: Path, threshold: float) -> int:
    """The number of objects that both find in the picture."""
    rows = upstream.detect(folder, runner(folder), picture)
    rows = rows[rows[:, 1] >= threshold]
    found = to_rows(Detector(folder, "paddle", threads=1).detect(picture, threshold))
    height, width = cv2.imread(str(picture)).shape[:2]
    for each in (rows, found):  # the decoder of raw outputs there cuts boxes at the image
        each[:, 2:] = each[:, 2:].clip(0, [width, height] * 2)
    rows, found = (each[np.lexsort((-each[:, 1], each[:, 0]))] for each in (rows, found))
    np.testing.assert_array_equal(rows[:, 0], found[:, 0])
    np.testing.assert_allclose(rows[:, 1:], found[:, 1:], atol=2e-3)
    return len(rows)
