"""Weights with varied scores, sessions of the published models, and random inputs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import paddle

from ppdet.core.settings import VENDOR_FORMATS
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.session import Session
from ppdet.training.checkpoint import save_weights
from tests.golden import CONFIGS
from tests.support.tiny import make_run, write_config, write_dataset

PUBLISHED = {
    "xs_320_lcnet": ("picodet_xs_320_coco_lcnet.yml", "picodet_xs_320_coco_lcnet"),
    "s_320_esnet": ("legacy_model/picodet_s_320_coco.yml", "picodet_s_320_coco_esnet"),
}


def make_weights(session: Session, path: Path) -> None:
    """Write `<path>.pdparams`: scores depend on the image, and norms are not the identity, so fusing can go wrong."""
    paddle.seed(0)
    model = session.build_model()
    for name, value in model.state_dict().items():
        if name.endswith(("norm.weight", "norm.bias")):
            value.set_value(value + paddle.uniform(value.shape, min=-0.3, max=0.3))
        elif name.startswith("head.head_cls") and name.endswith("weight"):
            value.set_value(paddle.randn(value.shape) * 0.3)
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm2D):
            layer._momentum = 0.0  # one batch decides the statistics
    model.train()
    model(paddle.randn([16, 3, 64, 64]) * paddle.linspace(0.1, 3, 16).reshape([16, 1, 1, 1]))
    save_weights(path, model, model.state_dict())


def write_trained_config(folder: Path, base: str = "picodet_xs_320_coco_lcnet.yml") -> Path:
    """A tiny dataset, and a config for it, `base` made small, whose `weights` are those of `make_weights`."""
    write_dataset(folder)
    path = write_config(folder, base)
    make_weights(make_run(path), folder / "weights")
    with path.open("a") as file:
        file.write(f"weights: {folder}/weights.pdparams\n")
    return path


def published_run(shared: Path, model: str, *overrides: str) -> Session:
    """The session of a model of PUBLISHED with its weights, on the 50 labelled images in `shared`."""
    config, weights = PUBLISHED[model]
    data = shared / "data" / "coco_tiny"
    datasets = [f"{slot}.dataset_dir={data}" for slot in ("EvalDataset", "TestDataset")]
    place = [f"weights={shared / 'weights' / weights}.pdparams", "worker_num=0", "use_gpu=false"]
    return make_run(CONFIGS / config, *datasets, *place, *overrides)


def installed_formats() -> list[str]:
    """The export formats with any graph, thus not those of vendors, whose packages are installed."""
    general = [name for name in EXPORT_FORMATS if name not in VENDOR_FORMATS]
    return [name for name in general if all(map(importlib.util.find_spec, EXPORT_FORMATS[name].needs))]


def random_inputs(batch: int, height: int = 64, width: int = 64) -> tuple[paddle.Tensor, paddle.Tensor]:
    """image [B, 3, H, W] and scale_factor [B, 2] = 0.5."""
    image = np.random.default_rng(batch).standard_normal((batch, 3, height, width)).astype("float32") / 10
    return paddle.to_tensor(image), paddle.full([batch, 2], 0.5)
