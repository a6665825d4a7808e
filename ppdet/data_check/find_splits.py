"""Finds the datasets that a folder or a config stands for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ppdet.catalog import load_dataset_classes
from ppdet.core.builder import Builder
from ppdet.core.config import Config, load_config
from ppdet.core.errors import UserError
from ppdet.core.shipped_configs import find_config
from ppdet.data.datasets import Dataset
from ppdet.data.datasets.auto import find_format
from ppdet.data.datasets.base import is_archive, require_folder
from ppdet.data.datasets.splits import belongs, choose
from ppdet.data_check.split import Network

logger = logging.getLogger(__name__)

_SLOTS = {"train": "TrainDataset", "val": "EvalDataset"}
_READERS = ("EvalReader", "TestReader", "TrainReader")


def datasets_of(source: Path, names: Sequence[str], size: int | None) -> tuple[dict[str, Dataset], Network]:
    """The datasets by split, not read yet, and the network that the config describes.

    Args:
        source: a folder, a config file, or the name of a config that comes with ppdet.
        names: the splits to look for; none: all that are found.
        size: the sides of the network's input in pixels, instead of the config's.
    """
    if is_archive(source):
        require_folder(source, "the data set", "")
    if source.is_dir():
        datasets, network = _of_folder(source, names), Network()
    else:
        config = load_config(find_config(source))
        datasets, network = _of_config(config, names), _network(config)
    return datasets, replace(network, size=(size, size)) if size else network


def _of_config(config: Config, names: Sequence[str]) -> dict[str, Dataset]:
    load_dataset_classes()
    builder, datasets = Builder(config), dict[str, Dataset]()
    for name in names or [name for name, slot in _SLOTS.items() if slot in config]:
        slot = _SLOTS.get(name)
        if slot is None or slot not in config:
            raise UserError(f"--split: found {name!r}, which the config has no dataset for; expected train or val")
        builder.named_class(config[slot], slot, Dataset)  # raises UserError if it is no dataset
        datasets[name] = builder.build(config[slot], slot)
    if not datasets:
        raise UserError("TrainDataset: required, not given; add it or EvalDataset, or give a folder")
    return datasets


def _network(config: Config) -> Network:
    """The size that the readers give to all images, and the number of classes."""
    known = (found for reader in _READERS if (found := _resize(config.get(reader))))
    resize = next(known, Config({}))
    sizes, classes = resize.get("target_size", Network.size), config.get("num_classes")
    size = (sizes, sizes) if isinstance(sizes, int) else tuple(sizes)
    return Network(
        (int(size[0]), int(size[-1])), bool(resize.get("keep_ratio")), classes if isinstance(classes, int) else None
    )


def _resize(reader: Any) -> Mapping[str, Any] | None:
    """The options of the Resize among a reader's transforms; None if there is none."""
    transforms = reader.get("sample_transforms") if isinstance(reader, Mapping) else None
    named = (step for step in transforms or () if isinstance(step, Mapping))
    return next((step.get("Resize", step) for step in named if "Resize" in (step.get("name"), *step)), None)


def _of_folder(root: Path, names: Sequence[str]) -> dict[str, Dataset]:
    """The splits `names`; none: train, val and test if they are there, else all images as "all"."""
    cls, parts = find_format(root)
    known = [name for name in ("train", "val", "test") if any(belongs(part.name, name) for part in parts)]
    chosen = {name: choose(root, parts, name) for name in names or known} or {"all": choose(root, parts, "")}
    read = (*known, "trainval")  # VOC's list of both
    others = [part.name for part in parts if not any(belongs(part.name, name) for name in read)] if known else []
    if others and not names:
        logger.warning("%s: is in no split, and left out; --split reads it: %s", root, ", ".join(others[:5]))
    return {name: cls(**{"dataset_dir": str(root)} | part.options) for name, part in chosen.items()}
