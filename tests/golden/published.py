"""The published models with the golden weights, for tests that compare with `shared/golden`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import paddle

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.config import load_config
from ppdet.modeling import PicoDet, Targets, build_model
from ppdet.weights.published_names import from_published

load_classes()

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "picodet"
LCNET = [
    f"picodet_{size}_coco_lcnet"
    for size in ("xs_320", "xs_416", "s_320", "s_416", "m_320", "m_416", "l_320", "l_416", "l_640")
]
ESNET = [f"picodet_{size}_coco" for size in ("s_320", "s_416", "m_320", "m_416", "l_320", "l_416", "l_640")]
SATURATED = {"picodet_s_416_coco", "picodet_m_416_coco", "picodet_l_640_coco"}  # golden scores of 1.0: ties in NMS


class Golden:
    """One config's measurements (`facts`, `arrays`) and the generators of their inputs."""

    def __init__(self, shared: Path, name: str):
        self.name = name
        self.inputs = _load_module(shared / "golden" / "golden_inputs.py")
        self.facts = json.loads((shared / "golden" / "models" / f"{name}.json").read_text())
        self.arrays = np.load(shared / "golden" / "models" / f"{name}.npz")
        folder = CONFIGS if name in LCNET else CONFIGS / "legacy_model"
        self.builder = Builder(load_config(folder / f"{name}.yml"))

    def weights(self) -> dict[str, np.ndarray]:
        """The golden weights under their published names."""
        return {
            name: self.arrays[f"bn/{name}"]
            if f"bn/{name}" in self.arrays.files
            else self.inputs.weight_for(name, shape)
            for name, shape in self.facts["state_dict"].items()
            if "project" not in name.split(".")[-1]
        }

    def model(self) -> PicoDet:
        model = build_model(self.builder)
        state = from_published(model, self.weights())
        missing, unexpected = model.set_state_dict({name: paddle.to_tensor(value) for name, value in state.items()})
        assert not missing
        assert not unexpected
        return model

    def image(self) -> paddle.Tensor:
        return paddle.to_tensor(self.inputs.image_for("eval-image", 1, *self.facts["eval_size"]))

    def training_batch(self) -> tuple[paddle.Tensor, Targets]:
        boxes, classes, mask = self.inputs.gts_for("train-gt", 2, 256, 320)
        image = self.inputs.image_for("train-image", 2, 256, 320)
        return paddle.to_tensor(image), Targets(*map(paddle.to_tensor, (classes, boxes, mask)))


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference over the largest magnitude."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_inputs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
