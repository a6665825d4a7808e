"""deploy/web/picodet.js against Python, without a browser or a runtime: resizing, preparation, boxes, faults."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.deploy.backends.base import Port
from ppdet.deploy.detector import Detector
from tests.deploy.conftest import INFER_CFG
from tests.support.web import message_field, onnx_bytes, run_module, runtime
from tests.support.workspaces import ROOT

RNG = np.random.default_rng(0)
SIZES = [((64, 48), (32, 32)), ((64, 64), (32, 32)), ((50, 37), (41, 41)), ((10, 8), (32, 32)), ((7, 5), (9, 31))]
SIZES += [((7, 3), (3.5, 1.5)), ((10, 15), (5, 7.5))]  # odd sides of half the size
SIZES += [((1, 1), (8, 8)), ((32, 32), (32, 32)), ((300, 3), (16, 16)), ((33, 17), (45, 50))]  # (w, h) -> (w, h)
IMAGE = RNG.integers(0, 256, (48, 80, 3), np.uint8)


def rgba(image: np.ndarray) -> bytes:
    return np.dstack([image, np.full(image.shape[:2], 200, np.uint8)]).tobytes()


def resize_case(size: tuple[int, int], target: tuple[float, float], interpolation: int) -> dict[str, Any]:
    image = RNG.integers(0, 256, (size[1], size[0], 3), np.uint8)
    fx, fy = target[0] / size[0], target[1] / size[1]
    expected = cv2.resize(image, None, fx=fx, fy=fy, interpolation=interpolation).transpose(2, 0, 1).tobytes()
    about = {"width": size[0], "height": size[1], "factors": [fy, fx], "interpolation": interpolation}
    return {"kind": "resize", "image": rgba(image), "expected": expected, **about}


@pytest.mark.parametrize("interpolation", [0, 1, 2])
def test_resizing_is_that_of_opencv(interpolation: int, tmp_path: Path) -> None:
    """Equal bit for bit; cubic within 1, since OpenCV itself computes it in other ways on other processors."""
    for (size, target), done in zip(
        SIZES, run_module([resize_case(*each, interpolation) for each in SIZES], tmp_path), strict=True
    ):
        if interpolation < 2:
            assert done["count"] == 0, (size, target)
        assert done["largest"] <= 1, (size, target)
        assert done["count"] <= 0.06 * done["total"], (size, target)


class Given:
    """A Backend that gives fixed outputs, and keeps what it was fed."""

    def __init__(self, infer_cfg: dict[str, Any], ports: list[Port], outputs: list[np.ndarray]) -> None:
        self.infer_cfg, self.inputs, self._outputs = json.dumps(infer_cfg), tuple(ports), outputs
        self.fed: dict[str, np.ndarray] = {}

    def run(self, feeds: Any) -> list[np.ndarray]:
        self.fed = {name: value.copy() for name, value in feeds.items()}
        return self._outputs


def config(**changes: Any) -> dict[str, Any]:
    """The config of the small model with linear interpolation, which is equal bit for bit, and other changes."""
    made = copy.deepcopy(INFER_CFG)
    made["Preprocess"][0]["interp"] = 1
    return {**made, **changes}


def steps(*others: dict[str, Any], **resize: Any) -> list[dict[str, Any]]:
    first = {"type": "Resize", "interp": 1, "target_size": [64, 64], "keep_ratio": False, **resize}
    return [first, *others, {"type": "Permute"}]


def decoded(classes: int = 2, points: int = 200, batch: int = 1) -> list[np.ndarray]:
    corner, side = RNG.uniform(0, 50, (batch, points, 2)), RNG.uniform(4, 30, (batch, points, 2))
    boxes = np.concatenate([corner, corner + side], axis=2) / 64
    return [boxes.astype(np.float32), RNG.uniform(0, 1, (batch, classes, points)).astype(np.float32)]


def raw(layout: str) -> list[np.ndarray]:
    sides = (8, 4)
    outputs = [RNG.uniform(0, 1, (1, side * side, 2)).astype(np.float32) for side in sides]
    outputs += [RNG.normal(0, 2, (1, side * side, 32)).astype(np.float32) for side in sides]
    if layout == "flat":
        return outputs
    return [
        np.ascontiguousarray(each.transpose(0, 2, 1).reshape(1, -1, side, side))
        for each, side in zip(outputs, sides * 2, strict=True)
    ]


def equal_scores() -> list[np.ndarray]:
    """Raw outputs whose scores are often the same, as in INT8: which class comes first counts."""
    return [np.round(4 * each) / 4 if each.shape[2] == 2 else each for each in raw("flat")]


def rows(count: int = 30) -> list[np.ndarray]:
    boxes, scores = (each[0] for each in decoded(1, count))
    table = np.column_stack([RNG.integers(0, 2, count), -np.sort(-scores[0]), boxes * 80]).astype(np.float32)
    return [table, np.array([count])]


FACTORS = Port("scale_factor", (None, 2), np.dtype("float32"))
NO_NORM = {"Preprocess": steps()}


def port(*shape: int | None, dtype: str = "float32") -> Port:
    return Port("image", shape, np.dtype(dtype))


ANY = port(None, 3, 64, 64)
SHAPE = Port("im_shape", (None, 2), np.dtype("float32"))
NORM = INFER_CFG["Preprocess"][1]
# name: infer_cfg, inputs, outputs, threshold
KINDS: dict[str, tuple[dict[str, Any], list[Port], list[np.ndarray], Any]] = {
    "boxes and scores": (config(), [ANY], decoded(), 0.3),
    "the least threshold": (config(), [ANY], decoded(), 0.0),
    "few boxes": (config(NMS={"nms_top_k": 7, "keep_top_k": 9, "nms_threshold": 0.3}), [ANY], decoded(), 0.1),
    "no NMS needed": (config(needs_nms=False, NMS={"keep_top_k": 20}), [ANY], decoded(), 0.6),
    "a threshold for each class": (config(thresholds=[0.9, 0.4]), [ANY], decoded(), None),
    "the model's threshold": (config(draw_threshold=0.8), [ANY], decoded(), None),
    "in the input's pixels": (config(boxes="input"), [ANY], decoded(), 0.5),
    "raw, flat": (config(boxes="input"), [ANY], raw("flat"), 0.5),
    "raw, equal scores": (config(boxes="input", NMS={"keep_top_k": 40}), [ANY], equal_scores(), 0.5),
    "raw, 4d": (config(boxes="input", cell_offset=0.25), [ANY], raw("4d"), 0.5),
    "detections": (config(boxes="image"), [ANY, FACTORS], rows(), 0.2),
    "PaddleDetection's": (
        {k: v for k, v in config().items() if k != "boxes"} | {"Preprocess": steps(NORM)},
        [ANY, FACTORS, SHAPE],
        rows(),
        0.2,
    ),
    "no detections": (config(boxes="image"), [ANY, FACTORS], [np.zeros((0, 6), np.float32), np.array([0])], 0.2),
    "bytes": (config(**NO_NORM), [port(None, 3, 64, 64, dtype="uint8")], decoded(), 0.5),
    "pixels as numbers": (config(**NO_NORM), [ANY], decoded(), 0.5),
    "a fixed batch": (config(), [port(2, 3, 64, 64)], decoded(batch=2), 0.5),
    "any size, padded": (
        config(Preprocess=steps(NORM, {"type": "PadStride", "stride": 32}, keep_ratio=True)),
        [port(None, 3, None, None)],
        decoded(),
        0.5,
    ),
    "one factor, fixed size": (config(Preprocess=steps(NORM, keep_ratio=True)), [ANY], decoded(), 0.5),
    "an image that is wider than the input": (
        config(Preprocess=steps(NORM, target_size=[64, 32], keep_ratio=True)),
        [port(None, 3, 64, 32)],
        decoded(),
        0.5,
    ),
    "another norm": (
        config(Preprocess=steps({"type": "NormalizeImage", "norm_type": "none", "is_scale": True})),
        [ANY],
        decoded(),
        0.5,
    ),
}


@pytest.fixture(scope="module")
def in_python() -> dict[str, tuple[Any, dict[str, np.ndarray]]]:
    found = {}
    for name, (cfg, ports, outputs, threshold) in KINDS.items():
        backend = Given(cfg, ports, outputs)
        found[name] = (Detector(backend).detect(IMAGE, threshold), backend.fed)
    return found


@pytest.fixture(scope="module")
def in_node(in_python: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    cases = []
    for name, (cfg, ports, outputs, threshold) in KINDS.items():
        inputs = [{"name": p.name, "type": str(p.dtype), "shape": [s or "any" for s in p.shape]} for p in ports]
        given = [{"type": str(a.dtype), "data": a.ravel().tolist(), "dims": list(a.shape)} for a in outputs]
        image = {"image": rgba(IMAGE), "width": IMAGE.shape[1], "height": IMAGE.shape[0]}
        rest = {
            "inputs": inputs,
            "outputs": given,
            "threshold": threshold,
            "feeds": in_python[name][1]["image"].tobytes(),
        }
        cases.append({"kind": "detect", "model": onnx_bytes(cfg), **image, **rest})
    return dict(zip(KINDS, run_module(cases, tmp_path_factory.mktemp("node")), strict=True))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_export_gives_what_python_gives(name: str, in_python: Any, in_node: Any) -> None:
    expected, fed = in_python[name]
    found = in_node[name]
    assert "fault" not in found, found
    assert found["feeds"]["count"] == 0, "the network's input differs"
    assert found["pairs"] == {key: value.ravel().tolist() for key, value in fed.items() if key != "image"}
    assert found["alive"] == 0, "tensors that are not disposed"
    objects = found["objects"]
    assert len(objects) > 3 or name == "no detections"
    assert [each["classId"] for each in objects] == expected.class_ids.tolist()
    assert [each["name"] for each in objects] == list(expected.names)
    np.testing.assert_array_equal(np.array([each["score"] for each in objects], np.float32), expected.scores)
    boxes = np.array([each["box"] for each in objects]).reshape(-1, 4)
    np.testing.assert_allclose(boxes, expected.boxes, atol=1e-3)


def checksummed(graph: bytes = b"\x0a\x00") -> bytes:
    """A model whose checksum is right for another graph than the default one."""
    rest = b"\x08\x08" + message_field(7, b"\x0a\x01x")
    return onnx_bytes(config(checksum=hashlib.sha256(rest).hexdigest()), graph)


GOOD = onnx_bytes(config())
RIGHT_INPUT = [{"name": "image", "type": "float32", "shape": ["any", 3, 64, 64]}]
FAULTS: dict[str, tuple[bytes, list[dict[str, Any]], str]] = {
    "empty": (b"", RIGHT_INPUT, "m.onnx: not an ONNX model, or damaged; expected the .onnx file of ppdet export"),
    "text": (b"hello, world", RIGHT_INPUT, "m.onnx: not an ONNX model"),
    "cut short": (GOOD[:-9], RIGHT_INPUT, "m.onnx: not an ONNX model"),
    "no end of a number": (b"\xff" * 30, RIGHT_INPUT, "m.onnx: not an ONNX model"),
    "another model": (message_field(7, b""), RIGHT_INPUT, "m.onnx: has no infer_cfg in its metadata; export the model"),
    "no JSON": (onnx_bytes("{"), RIGHT_INPUT, "m.onnx: infer_cfg: not JSON"),
    "no mapping": (onnx_bytes([1]), RIGHT_INPUT, "infer_cfg: the content: found [1]; expected keys and values"),
    "changed": (checksummed(), RIGHT_INPUT, "m.onnx: not as it was exported: damaged, or changed by a tool"),
    "arch": (onnx_bytes(config(arch="YOLO")), RIGHT_INPUT, 'arch: found "YOLO"; expected PicoDet or GFL'),
    "step": (onnx_bytes(config(Preprocess=[{"type": "Crop"}])), RIGHT_INPUT, 'Preprocess.type: found "Crop"'),
    "no step": (onnx_bytes(config(Preprocess=[])), RIGHT_INPUT, "Preprocess: found []; expected a step Resize"),
    "order": (
        onnx_bytes(config(Preprocess=[{**INFER_CFG["Preprocess"][0]}, {"type": "Permute", "to_bgr": True}])),
        RIGHT_INPUT,
        "infer_cfg: Permute.to_bgr: found true; expected false",
    ),
    "option": (onnx_bytes(config(Preprocess=steps(crop=3))), RIGHT_INPUT, "Resize.crop: found 3; expected one of its"),
    "is_scale": (
        onnx_bytes(config(Preprocess=steps({**NORM, "is_scale": "no"}))),
        RIGHT_INPUT,
        'NormalizeImage.is_scale: found "no"; expected true or false',
    ),
    "num_classes": (onnx_bytes(config(num_classes=3)), RIGHT_INPUT, "num_classes: found 3; expected 2, the number"),
    "area": (onnx_bytes(config(Preprocess=steps(interp=3))), RIGHT_INPUT, "Resize.interp: found 3; expected 0"),
    "huge": (onnx_bytes(config(Preprocess=steps(target_size=[9999, 9999]))), RIGHT_INPUT, "Resize.target_size: found"),
    "labels": (onnx_bytes(config(label_list=[])), RIGHT_INPUT, "label_list: found []; expected class names"),
    "thresholds": (onnx_bytes(config(thresholds=[2, 2])), RIGHT_INPUT, "thresholds: found [2,2]; expected 0 to 1"),
    "inputs": (GOOD, [], "m.onnx: takes no inputs; expected an image [B, 3, H, W]"),
    "size": (GOOD, [{**RIGHT_INPUT[0], "shape": [1, 3, 32, 32]}], "m.onnx: takes 32 x 32 pixels, but its infer_cfg"),
    "outputs": (GOOD, RIGHT_INPUT, "m.onnx: gives outputs of shapes [1,1,2]; expected those of ppdet export"),
}


def test_every_fault_is_one_line(tmp_path: Path) -> None:
    image = {"image": rgba(IMAGE), "width": 80, "height": 48, "feeds": b""}
    outputs = [{"type": "float32", "data": [0, 0], "dims": [1, 1, 2]}]
    cases = [
        {"kind": "detect", "model": model, "inputs": inputs, "outputs": outputs, **image}
        for model, inputs, _ in FAULTS.values()
    ]
    for (name, (*_, message)), done in zip(FAULTS.items(), run_module(cases, tmp_path), strict=True):
        assert message in done.get("fault", ""), name
        assert done["name"] == "PicodetError", name
        assert "\n" not in done["fault"], name


def test_outputs_that_do_not_fit_the_classes(tmp_path: Path) -> None:
    image = {"image": rgba(IMAGE), "width": 80, "height": 48, "feeds": b"", "threshold": 0.1}
    given = [decoded(3), [np.full((1, 4, 4), np.nan, np.float32), np.full((1, 2, 4), 0.5, np.float32)], rows()]
    given[2][0][4, 0] = 7
    cases = []
    for outputs in given:
        written = [{"type": str(a.dtype), "data": a.ravel().tolist(), "dims": list(a.shape)} for a in outputs]
        for each in written:
            each["data"] = [None if value != value else value for value in each["data"]]  # null becomes 0 in an array
        cases.append({"kind": "detect", "model": GOOD, "inputs": RIGHT_INPUT, "outputs": written, **image})
    cases[1]["outputs"][1]["data"] = [1.5] * 8
    faults = [done["fault"] for done in run_module(cases, tmp_path)]
    assert "label_list: found 2 names, and the model has 3 classes" in faults[0]
    assert "gives a score of 1.5; expected 0 to 1, and finite boxes: its weights are damaged" in faults[1]
    assert "label_list: found 2 names, and the model has a class of number 7" in faults[2]


def test_it_is_small() -> None:
    """What a browser loads of the module, compressed as servers do."""
    names = ("picodet", "config", "model_file", "postprocess", "resize")
    assert sum(len(gzip.compress((ROOT / f"deploy/web/{name}.js").read_bytes())) for name in names) < 15_000


def test_it_is_small_as_one_file(tmp_path: Path) -> None:
    """As one file without spaces, which is what `npm run build` makes of it."""
    beside = runtime().parents[1] / ".bin" / "esbuild"  # where npm puts it
    esbuild = shutil.which("esbuild") or shutil.which(beside)
    if esbuild is None:
        pytest.skip("no esbuild on PATH: npm install esbuild")
    build = json.loads((ROOT / "deploy" / "web" / "package.json").read_text())["scripts"]["build"]
    options = build.replace("dist/", f"{tmp_path}/").split()[1:]
    subprocess.run([esbuild, *options], cwd=ROOT / "deploy" / "web", check=True, capture_output=True)
    assert 5_000 < (tmp_path / "picodet.min.js").stat().st_size < 15_000
