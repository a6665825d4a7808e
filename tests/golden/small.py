"""Two published models on images of 64 x 64: the weights, the inputs, and what is measured.

Every input follows from a name through crc32 and NumPy's legacy RandomState, whose numbers never change, so that only
the outputs have to be stored.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from ppdet.core.builder import Builder
from ppdet.core.config import load_config
from ppdet.modeling import PicoDet, Targets, build_model
from ppdet.optim.optimizer import OptimizerBuilder
from ppdet.weights.published_names import published_name
from tests.golden.published import CONFIGS

MODELS = {
    "xs_lcnet": CONFIGS / "picodet_xs_320_coco_lcnet.yml",
    "s_esnet": CONFIGS / "legacy_model" / "picodet_s_320_coco.yml",
}
EPOCHS = {"xs_lcnet": (0, 1000), "s_esnet": (0,)}  # ATSS and TAL; SimOTA
SIZE, BATCH = 64, 8  # the coarsest level has one cell: batch statistics need several images


def stored(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.npz")


def measure(name: str) -> dict[str, np.ndarray]:
    """All that is stored of a model, by name."""
    found = {f"eval/{key}": value for key, value in evaluated(seeded_model(name)).items()}
    found["decayed"] = decayed(seeded_model(name))
    for epoch in EPOCHS[name]:
        found |= {f"epoch{epoch}/{key}": value for key, value in trained(seeded_model(name), epoch).items()}
    return found


def random(key: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(key.encode()))


def images(key: str, count: int) -> paddle.Tensor:
    """[count, 3, SIZE, SIZE], as if normalised: squares and noise on backgrounds of many colours."""
    rng = random(key)
    background = rng.normal(size=(count, 3, 1, 1))
    squares = np.kron(rng.normal(size=(count, 3, 4, 4)), np.ones((1, 1, SIZE // 4, SIZE // 4)))
    noise = rng.normal(size=squares.shape)
    return paddle.to_tensor((background + squares + 0.3 * noise).astype(np.float32))


def targets() -> Targets:
    """0, 1, 2 or 3 boxes on the images in turn, of 6 to 60 pixels."""
    rng = random("boxes")
    size = np.exp(rng.uniform(np.log(6), np.log(60), (BATCH, 3, 2)))
    corner = rng.uniform(0, 1, size.shape) * (SIZE - size)
    real = (np.arange(3) < np.arange(BATCH)[:, None] % 4)[..., None].astype(np.float32)
    boxes = np.concatenate([corner, corner + size], axis=-1) * real
    classes = rng.randint(0, 80, (BATCH, 3, 1)) * real
    return Targets(*map(paddle.to_tensor, (classes.astype(np.int32), boxes.astype(np.float32), real)))


def seeded_model(name: str) -> PicoDet:
    """Weights from the published names; running statistics mostly from a batch, so that values neither grow nor vanish.

    A tenth of them are the initial 0 and 1: no variance is so small that it magnifies rounding.
    """
    model = build_model(Builder(load_config(MODELS[name])))
    for own_name, tensor in model.state_dict().items():
        if not own_name.endswith(("_mean", "_variance")):
            tensor.set_value(paddle.to_tensor(seeded_weight(published_name(own_name), tensor.shape)))
    norms = [layer for layer in model.sublayers() if isinstance(layer, nn.BatchNorm2D)]
    before = [norm._momentum for norm in norms]
    for norm in norms:
        norm._momentum = 0.1
    model.train()
    with paddle.no_grad():
        model(images("statistics", BATCH))
    for norm, momentum in zip(norms, before, strict=True):
        norm._momentum = momentum
    return model


def seeded_weight(name: str, shape: list[int]) -> np.ndarray:
    values = random(name).normal(size=shape)
    if len(shape) > 1:
        values *= (1.5 / np.prod(shape[1:])) ** 0.5
    elif name.endswith("weight"):  # of a norm
        values = 1 + 0.1 * values
    elif "head_cls" in name:
        values = 0.5 * values
        values[:80] -= 4  # few classes score above the threshold
    else:
        values *= 0.1
    return values.astype(np.float32)


def evaluated(model: PicoDet) -> dict[str, np.ndarray]:
    """Parts of the features, and all scores, boxes and detections of one image."""
    model.eval()
    with paddle.no_grad():
        features = model.backbone(images("evaluation", 1))
        pyramid = model.neck(features)
        outputs = model.head(pyramid)
        scores, boxes = model.head.decode(outputs)
        bbox, bbox_num = model.predict(outputs, paddle.to_tensor([[0.5, 0.25]]))
    found = {f"backbone{i}": part(feature) for i, feature in enumerate(features)}
    found |= {f"neck{i}": part(feature) for i, feature in enumerate(pyramid)}
    arrays = {"scores": scores, "boxes": boxes, "bbox": bbox, "bbox_num": bbox_num}
    return found | {key: value.numpy() for key, value in arrays.items()}


def part(feature: paddle.Tensor) -> np.ndarray:
    values = feature.numpy().reshape(-1)
    return values[:: max(1, len(values) // 300)]


def trained(model: PicoDet, epoch: int) -> dict[str, np.ndarray]:
    """Losses of a batch; gradients (norm, and product with a random tensor); running statistics after the batch.

    The gradients are those with the running statistics: with the batch's, of eight values in the coarsest level,
    rounding moves activations across the kinks of hard swish.
    """
    model.eval()
    model.criterion(model(images("training", BATCH)), targets(), epoch)["loss"].backward()
    parameters = {published_name(name): p for name, p in model.named_parameters() if p.grad is not None}
    gradients = {name: p.grad.numpy().astype(np.float64) for name, p in parameters.items()}
    names = sorted(gradients)
    dots = [(gradients[name] * random(f"dot {name}").normal(size=gradients[name].shape)).sum() for name in names]
    model.train()
    losses = model.criterion(model(images("training", BATCH)), targets(), epoch)
    state = {published_name(name): value for name, value in model.state_dict().items()}
    statistics = [float(state[name].mean()) for name in sorted(state) if name.endswith(("_mean", "_variance"))]
    return {key: np.float32(float(value)) for key, value in losses.items()} | {
        "grad_norm": np.float32([np.linalg.norm(gradients[name]) for name in names]),
        "grad_dot": np.float32(dots),
        "running": np.float32(statistics),
    }


def decayed(model: PicoDet) -> np.ndarray:
    """Whether weight decay acts on a parameter, for each in the order of their names."""
    parameters = {published_name(name): p for name, p in model.named_parameters() if not p.stop_gradient}
    before = {name: p.numpy() for name, p in parameters.items()}
    sum(p.sum() * 0 for p in parameters.values()).backward()
    OptimizerBuilder({"type": "SGD"}, {"type": "L2", "factor": 0.5})(1.0, model).step()
    return np.array([not np.array_equal(parameters[name].numpy(), before[name]) for name in sorted(parameters)])
