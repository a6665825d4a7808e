"""The C++ Detector gives what the Python Detector gives."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ppdet.deploy import DeployError, Detector
from tests.deploy.conftest import INFER_CFG, make_model
from tests.support.cpp_library import CppDetectors


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return make_model(tmp_path / "export" / "model.onnx")


def bright(height: int, width: int, value: int = 200) -> np.ndarray:
    noise = np.random.default_rng(value).integers(-30, 30, (height, width, 3))
    return np.clip(noise + value, 0, 255).astype(np.uint8)


def rows(detector: Detector, image: np.ndarray) -> np.ndarray:
    found = detector.detect(image)
    return np.column_stack([found.boxes, found.scores, found.class_ids]).astype(np.float32)


def test_boxes_are_those_of_python(cpp: CppDetectors, small: Path) -> None:
    ours, theirs = cpp(small.parent), Detector(small, backend="openvino", order="bgr", threads=1)
    assert ours.labels == ["cat", "dog"]
    for height, width in ((48, 80), (64, 64), (33, 150)):
        image = bright(height, width)
        assert len(ours.detect(image)) == 1
        assert np.array_equal(ours.detect(image), rows(theirs, image))
    assert len(ours.detect(bright(64, 64, 40))) == 0  # below the model's threshold
    assert len(cpp(small, threshold=0.1).detect(bright(64, 64, 40))) == 1


def test_images_may_have_other_orders_and_rows_apart(cpp: CppDetectors, small: Path) -> None:
    detector, image = cpp(small), bright(50, 60)
    wanted = detector.detect(image)
    assert np.array_equal(detector.detect(np.ascontiguousarray(image[:, :, ::-1]), "rgb"), wanted)
    alpha = np.dstack([image, image[:, :, 0]])
    assert np.array_equal(detector.detect(np.ascontiguousarray(alpha), "bgra"), wanted)
    wide = np.zeros((50, 90, 3), np.uint8)
    wide[:, 10:70] = image
    assert np.array_equal(detector.detect(wide[:, 10:70]), wanted)
    gray = image[:, :, 0].copy()
    assert np.array_equal(detector.detect(gray, "gray"), detector.detect(np.dstack([gray] * 3).copy()))


def test_threads_share_a_detector(cpp: CppDetectors, small: Path) -> None:
    detector = cpp(small)
    images = [bright(40 + i % 7, 60 + i % 5, 120 + i) for i in range(64)]
    wanted = [detector.detect(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(detector.detect, images * 4))
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted * 4, strict=True))


def test_a_fixed_batch_is_filled(cpp: CppDetectors, tmp_path: Path) -> None:
    model = make_model(tmp_path / "export" / "model.onnx", batch=3)
    image = bright(64, 64)
    assert np.array_equal(cpp(model).detect(image), rows(Detector(model, "openvino", 1, order="bgr"), image))


MISTAKES: dict[str, Callable[[dict], object]] = {
    "interp": lambda cfg: cfg["Preprocess"][0].update(interp="cubic"),
    "target_size": lambda cfg: cfg["Preprocess"][0].update(target_size=[64]),
    "mean[1]": lambda cfg: cfg["Preprocess"][1].update(mean=[0, "x", 0]),
    "label_list": lambda cfg: cfg.update(label_list=[]),
    "num_classes": lambda cfg: cfg.update(num_classes=3),
    "draw_threshold": lambda cfg: cfg.update(draw_threshold=2),
    "thresholds": lambda cfg: cfg.update(thresholds=[]),
    "boxes": lambda cfg: cfg.update(boxes="meters"),
    "keep_top_k": lambda cfg: cfg["NMS"].update(keep_top_k=0),
    "arch": lambda cfg: cfg.update(arch="YOLO"),
    "Preprocess": lambda cfg: cfg.update(Preprocess=[]),
    "NMS": lambda cfg: cfg.update(NMS=7),
    "fpn_stride[1]": lambda cfg: cfg.update(fpn_stride=[8, 0]),
    "checksum": lambda cfg: cfg.update(checksum="abc"),
}


@pytest.mark.parametrize("key", MISTAKES)
def test_both_refuse_a_wrong_infer_cfg_and_name_the_key(cpp: CppDetectors, tmp_path: Path, key: str) -> None:
    import copy

    config = copy.deepcopy(INFER_CFG)
    MISTAKES[key](config)
    model = make_model(tmp_path / "export" / "model.onnx", config)
    with pytest.raises(RuntimeError, match="; expected ") as ours:
        cpp(model)
    assert key in str(ours.value)
    assert str(ours.value).startswith(f"{model}: infer_cfg: ")
    with pytest.raises(DeployError) as theirs:
        Detector(model, backend="openvino")
    assert key in str(theirs.value)


def test_damaged_and_missing_files_are_refused(cpp: CppDetectors, tmp_path: Path) -> None:
    from ppdet.deploy.checksum import model_checksum

    model = make_model(tmp_path / "a" / "model.onnx")
    sound = make_model(tmp_path / "b" / "model.onnx", {**INFER_CFG, "checksum": model_checksum(model)})
    assert len(cpp(sound).detect(bright(64, 64))) == 1
    damaged = sound.read_bytes().replace(b"slope", b"slobe", 1)
    sound.write_bytes(damaged)
    for path, problem in (
        (sound, "not as they were exported"),
        (tmp_path / "none", "no such file or folder"),
        (make_model(tmp_path / "c" / "model.onnx", None), "carries no infer_cfg"),
        (tmp_path, "nothing that auto runs"),
    ):
        with pytest.raises(RuntimeError, match=problem):
            cpp(path)
    for options, problem in (({"backend": "tpu"}, "backend: found tpu"), ({"threshold": 2}, "threshold: found 2")):
        with pytest.raises(RuntimeError, match=problem):
            cpp(model, **options)


def test_images_without_pixels_are_refused(cpp: CppDetectors, small: Path) -> None:
    detector = cpp(small)
    with pytest.raises(RuntimeError, match="0 x 64 pixels"):
        detector.detect(np.zeros((64, 0, 3), np.uint8))


def test_a_long_message_is_cut_between_letters(cpp: CppDetectors, tmp_path: Path) -> None:
    for extra in range(3):
        with pytest.raises(RuntimeError, match="žžž"):
            cpp(tmp_path / ("a" * extra + "ž" * 2000))


def test_paths_may_have_any_letters(cpp: CppDetectors, tmp_path: Path) -> None:
    model = make_model(tmp_path / "größe 尺寸 🦊" / "модель.onnx")
    assert len(cpp(model).detect(bright(64, 64))) == 1
    assert len(cpp(model.parent).detect(bright(64, 64))) == 1
