"""The models that `--model` names, and what their published configs train with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ppdet.core.config_files import load_files, merge
from ppdet.core.errors import UserError, nearest
from ppdet.core.shipped_configs import find_config, shipped_configs

SCALES = ("xs", "s", "m", "l")
SIZES = (320, 416, 640)  # pixels a side; each has a reader among the configs
_NAME = re.compile(r"(picodet_(?:xs|s|m|l))(?:_(320|416|640))?(?:_coco_lcnet)?(?:\.yml)?")


@dataclass(frozen=True)
class Model:
    """A model and the size of its input.

    Attributes:
        name: such as picodet_s_320.
        bases: the configs to inherit from, which ppdet finds from every folder.
        weights: the name of the weights that were trained on COCO.
        batch_size: images for each card in the published training.
        base_lr: the published rate,
        reference_batch_size: and the number of images per update that it is for.
    """

    name: str
    bases: tuple[str, ...]
    weights: str
    batch_size: int
    base_lr: float
    reference_batch_size: int


def parse_model(text: str) -> tuple[str, int | None]:
    """The model, and the size of its input if the name gives one: picodet_s_320 is ("picodet_s", 320)."""
    match = _NAME.fullmatch(text)
    if match is None:
        known = [f"picodet_{scale}" for scale in SCALES]
        sized = [f"{name}_{size}" for name in known for size in SIZES]
        raise UserError(
            f"--model: found {text!r}; expected {', '.join(known)}, alone or with the size of its input, as in "
            f"picodet_s_320 ({', '.join(map(str, SIZES))}){nearest(text, [*known, *sized])}"
        )
    return match[1], int(match[2]) if match[2] else None


def find_model(name: str, size: int) -> Model:
    """The model with an input of `size` x `size` pixels. A size without published weights takes those of 416."""
    own = f"{name}_{size}_coco_lcnet"
    published = own if own in shipped_configs() else f"{name}_416_coco_lcnet"
    bases = (own,) if published == own else (published, f"configs/picodet/_base_/picodet_{size}_reader.yml")
    tree: dict[str, object] = {}
    for base in bases:
        tree = merge(tree, load_files(find_config(base))[0])
    rate, reader = tree["LearningRate"], tree["TrainReader"]
    assert isinstance(rate, dict)
    assert isinstance(reader, dict)
    return Model(
        f"{name}_{size}", bases, published, reader["batch_size"], rate["base_lr"], rate["reference_batch_size"]
    )
