"""Runs of the XS model that take a second, on a dataset of a few generated images."""

from __future__ import annotations

from pathlib import Path

from paddle.utils import unique_name

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.check import check_config
from ppdet.core.config import load_config
from ppdet.core.settings import Settings
from ppdet.runtime.device import select_device
from ppdet.session import Session
from tests.support.configs import write_small_config
from tests.support.datasets import CLASSES, noise_scenes, write_coco

__all__ = ["CLASSES", "make_run", "write_config", "write_dataset"]

_REST = """\
device: cpu
TrainDataset: !COCODataSet {{dataset_dir: {folder}, image_dir: images, anno_path: boxes.json}}
EvalDataset: !COCODataSet {{dataset_dir: {folder}, image_dir: images, anno_path: boxes.json, allow_empty: true}}
TestDataset: !ImageFolder {{dataset_dir: {folder}, anno_path: boxes.json}}
"""


def write_dataset(folder: Path, count: int = 6) -> None:
    """`images/` and `boxes.json` (COCO): one or two boxes per image, none on the last one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_coco(folder / "boxes.json", folder / "images", noise_scenes(count), first_category=1)


def make_run(config: Path, *overrides: str) -> Session:
    """The Session that a tool gets from `setup`. Generated names are counted from 0, as in a new process."""
    unique_name.switch()
    cfg = load_config(config, overrides)
    load_classes()
    builder = Builder(cfg)
    check_config(builder)
    settings = Settings.from_config(cfg)
    return Session(cfg, settings, builder, select_device(settings))


def write_config(folder: Path, base: str = "picodet_xs_320_coco_lcnet.yml") -> Path:
    """`tiny.yml` in `folder`, which has the dataset: `base` made small."""
    return write_small_config(
        folder / "tiny.yml",
        _REST.format(folder=folder),
        base=base,
        save_dir=folder / "output",
        epochs=4,
        snapshot_epoch=2,
        base_lr=0.02,
        sizes="[32, 64]",
        random_interp=True,
    )
