"""A dataset of a few generated images, and runs of the XS model on it that take a second."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from paddle.utils import unique_name

from ppdet.core.config import load_config
from ppdet.core.registry import Builder
from ppdet.core.settings import Settings
from ppdet.runtime.device import select_device
from ppdet.session import Session
from tests.golden import CONFIGS

CLASSES = ("ring", "disc", "bar")
_TINY = """\
_BASE_: [{base}]
num_classes: 3
pretrain_weights: null
save_dir: {folder}/output
device: cpu
worker_num: 0
seed: 7
epoch: 4
snapshot_epoch: 2
log_iter: 1
eval_height: &eval_height 64
eval_width: &eval_width 64
eval_size: &eval_size [*eval_height, *eval_width]
LearningRate: {{base_lr: 0.02, schedulers: [!CosineDecay {{max_epochs: 4}}, !LinearWarmup {{steps: 2}}]}}
TrainDataset: !COCODataSet {{dataset_dir: {folder}, image_dir: images, anno_path: boxes.json}}
EvalDataset: !COCODataSet {{dataset_dir: {folder}, image_dir: images, anno_path: boxes.json, allow_empty: true}}
TestDataset: !ImageFolder {{dataset_dir: {folder}, anno_path: boxes.json}}
TrainReader:
  batch_size: 2
  batch_transforms:
    - BatchRandomResize: {{target_size: [32, 64], random_size: true, random_interp: true, keep_ratio: false}}
    - NormalizeImage: {{is_scale: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
    - Permute: {{}}
    - PadGT: {{}}
EvalReader:
  batch_size: 2
  sample_transforms: &eval_transforms
    - Decode: {{}}
    - Resize: {{interp: 2, target_size: *eval_size, keep_ratio: false}}
    - NormalizeImage: {{is_scale: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
    - Permute: {{}}
TestReader:
  inputs_def: {{image_shape: [1, 3, *eval_height, *eval_width]}}
  sample_transforms: *eval_transforms
"""


def write_dataset(folder: Path, count: int = 6) -> None:
    """`images/` and `boxes.json` (COCO): one or two boxes per image, none on the last one."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    (folder / "images").mkdir(parents=True)
    for number in range(1, count + 1):
        name = f"{number}.png"
        cv2.imwrite(str(folder / "images" / name), rng.integers(0, 255, (60, 80, 3), np.uint8))
        images.append({"id": number, "file_name": name, "height": 60, "width": 80})
        boxes = [[5 * number, 4, 30, 25], [10, 20, 40, 30]][: 0 if number == count else 1 + number % 2]
        annotations += [
            {"id": len(annotations) + i, "image_id": number, "category_id": 1 + (number + i) % 3, "bbox": box,
             "area": box[2] * box[3], "iscrowd": 0}
            for i, box in enumerate(boxes, start=1)
        ]  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content))


def make_run(config: Path, *overrides: str) -> Session:
    """What `setup` gives a tool. Names start anew, as in a process of its own."""
    unique_name.switch()
    cfg = load_config(config, overrides)
    builder = Builder(cfg)
    builder.check()
    settings = Settings.from_config(cfg)
    return Session(cfg, settings, builder, select_device(settings))


def write_config(folder: Path, base: str = "picodet_xs_320_coco_lcnet.yml") -> Path:
    """`tiny.yml` in `folder`, which has the dataset: `base` made small."""
    path = folder / "tiny.yml"
    path.write_text(_TINY.format(base=CONFIGS / base, folder=folder))
    return path
