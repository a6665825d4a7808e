"""Tiny datasets, configs and weights, made on the spot, and a way to run the tools inside the test process."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.cli import run

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("red", "green", "blue")
COLOURS = ((220, 40, 40), (40, 200, 60), (50, 70, 230))  # RGB
HEIGHT, WIDTH = 48, 64
LOG_LINE = re.compile(r"\d\d-\d\d \d\d:\d\d:\d\d [A-Z] ")

SETTINGS = """
num_classes: {num_classes}
pretrain_weights: null
weights: null
save_dir: {root}/output
epoch: 2
snapshot_epoch: 1
worker_num: 0
log_iter: 1
seed: 7

eval_height: &eval_height 64
eval_width: &eval_width 64
eval_size: &eval_size [*eval_height, *eval_width]

LearningRate:
  base_lr: 0.01
  schedulers:
    - !CosineDecay {{max_epochs: 2}}
    - !LinearWarmup {{start_factor: 0.1, steps: 2}}

PicoHeadV2:
  static_assigner_epoch: 1 # one epoch with each assigner

TrainReader:
  batch_size: 2
  batch_transforms:
    - BatchRandomResize: {{target_size: [[64, 64]], random_size: true, random_interp: false, keep_ratio: false}}
    - NormalizeImage: &normalize {{is_scale: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
    - Permute: {{}}
    - PadGT: {{}}

EvalReader:
  batch_size: 2
  sample_transforms: &eval_transforms
    - Decode: {{}}
    - Resize: {{interp: 2, target_size: *eval_size, keep_ratio: false}}
    - NormalizeImage: *normalize
    - Permute: {{}}

TestReader:
  inputs_def:
    image_shape: [1, 3, *eval_height, *eval_width]
  sample_transforms: *eval_transforms
"""
COCO_DATA = """
TrainDataset: !COCODataSet {{dataset_dir: {root}/data, image_dir: train, anno_path: train.json}}
EvalDataset: !COCODataSet {{dataset_dir: {root}/data, image_dir: val, anno_path: val.json, allow_empty: true}}
TestDataset: !ImageFolder {{anno_path: {root}/data/val.json}}
"""
VOC_DATA = """
metric: VOC
TrainDataset: !VOCDataSet {{dataset_dir: {root}/data, anno_path: train.txt, label_list: labels.txt}}
EvalDataset: !VOCDataSet {{dataset_dir: {root}/data, anno_path: val.txt, label_list: labels.txt}}
TestDataset: !ImageFolder {{anno_path: {root}/data/labels.txt}}
"""
VOC_XML = """<annotation><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"""
VOC_OBJECT = (
    "<object><name>{name}</name><bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>"
    "</object>"
)


@dataclass(frozen=True)
class Workspace:
    """A folder with `data/` and `tiny.yml`; runs go to `output/tiny`."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "tiny.yml"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def output(self) -> Path:
        return self.root / "output" / "tiny"

    def annotations(self, split: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.data / f"{split}.json").read_text())
        return content

    def annotate(self, split: str, content: Any) -> None:
        (self.data / f"{split}.json").write_text(json.dumps(content))


def coco_workspace(root: Path, train: int = 6, val: int = 4) -> Workspace:
    """COCO format: data/{train,val}/*.png, data/{train,val}.json. Image ids start at 1, category ids at 11."""
    for split, count in (("train", train), ("val", val)):
        write_coco(root / "data", split, count)
    return _with_config(root, COCO_DATA)


def voc_workspace(root: Path, train: int = 6, val: int = 4) -> Workspace:
    """Plain VOC layout: data/{JPEGImages,Annotations}, data/{train,val,labels}.txt."""
    for folder in ("JPEGImages", "Annotations"):
        (root / "data" / folder).mkdir(parents=True)
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            image, objects = draw_scene(number)
            stem = f"{split}_{number}"
            write_image(root / "data" / "JPEGImages" / f"{stem}.png", image)
            text = "".join(VOC_OBJECT.format(*box, name=CLASSES[c]) for box, c in objects)
            xml = VOC_XML.format(width=WIDTH, height=HEIGHT, objects=text)
            (root / "data" / "Annotations" / f"{stem}.xml").write_text(xml)
        (root / "data" / f"{split}.txt").write_text("\n".join(f"{split}_{n}" for n in range(count)))
    (root / "data" / "labels.txt").write_text("\n".join(CLASSES))
    return _with_config(root, VOC_DATA)


def write_coco(data: Path, split: str, count: int) -> None:
    """`count` images in data/<split>/ and their annotations in data/<split>.json."""
    (data / split).mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        image, objects = draw_scene(number)
        write_image(data / split / f"{number}.png", image)
        images.append({"id": number, "file_name": f"{number}.png", "height": HEIGHT, "width": WIDTH})
        for (x1, y1, x2, y2), class_index in objects:
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": 11 + class_index,
                                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1),
                                "iscrowd": 0})  # fmt: skip
    categories = [{"id": 11 + index, "name": name} for index, name in enumerate(CLASSES)]
    (data / f"{split}.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )


def draw_scene(seed: int) -> tuple[np.ndarray, list[tuple[tuple[int, int, int, int], int]]]:
    """An image [48, 64, 3] uint8 RGB and its coloured rectangles: (xyxy box, class index), two small or one large."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    objects = []
    for left, width in ((0, 16), (WIDTH // 2, 16)) if seed % 2 else ((0, 50),):
        x1, y1 = left + int(rng.integers(1, 8)), int(rng.integers(1, 8))
        x2, y2 = x1 + width + int(rng.integers(6)), y1 + int(rng.integers(20, 40))
        class_index = int(rng.integers(len(CLASSES)))
        image[y1:y2, x1:x2] = COLOURS[class_index]
        objects.append(((x1, y1, x2, y2), class_index))
    return image, objects


def write_image(path: Path, rgb: np.ndarray) -> None:
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def random_weights(config: Path, target: Path) -> Path:
    """`target`.pdparams with the config's model as it is before training, but surer of its guesses."""
    import paddle

    from ppdet.training.checkpoint import save_weights

    paddle.seed(1)
    model = build_model(config)
    state = model.state_dict()
    for name, value in state.items():
        if name.startswith("head.head_cls") and name.endswith("bias"):
            value.set_value(paddle.zeros_like(value))  # scores about 0.5 instead of the prior 0.01
    save_weights(target, model, state)
    return target.with_name(f"{target.name}.pdparams")


def build_model(config: Path) -> Any:
    from ppdet import modeling
    from ppdet.core.config import load_config
    from ppdet.core.registry import Builder

    return modeling.build_model(Builder(load_config(config)))


def load_tool(name: str) -> ModuleType:
    """tools/<name>.py as a module."""
    spec = importlib.util.spec_from_file_location(f"ppdet_tool_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Tools:
    """Runs a tool with command-line arguments in this process: `tools.train("-c", config)`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, name: str, *argv: object) -> tuple[str, str]:
        """(stdout, stderr) of a run that ends well."""
        tool = load_tool(name)
        run(tool.main, tool.parser(), [str(argument) for argument in argv])
        captured = self._capsys.readouterr()
        return captured.out, captured.err

    def fail(self, name: str, *argv: object) -> str:
        """The error of a run that ends with status 2 and one line besides the log."""
        tool = load_tool(name)
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            run(tool.main, tool.parser(), [str(argument) for argument in argv])
        assert exit_.value.code == 2
        lines = self._capsys.readouterr().err.splitlines()
        said = [line for line in lines if not LOG_LINE.match(line)]
        assert len(said) == 1, said
        assert said[0].startswith("error: ")
        return said[0].removeprefix("error: ")


def _with_config(root: Path, datasets: str) -> Workspace:
    base = ROOT / "configs" / "picodet" / "picodet_xs_320_coco_lcnet.yml"
    text = f"_BASE_: {base}\n" + (SETTINGS + datasets).format(root=root, num_classes=len(CLASSES))
    (root / "tiny.yml").write_text(text)
    return Workspace(root)
