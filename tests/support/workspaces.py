"""Folders with a small dataset, config and weights, and a way to run the tools inside the test process."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ppdet.data.datasets import Category
from tests.support.configs import write_small_config
from tests.support.datasets import draw_scene, write_coco, write_voc

ROOT = Path(__file__).resolve().parents[2]
LOG_LINE = re.compile(r"\d\d-\d\d \d\d:\d\d:\d\d [A-Z] ")

ASSIGNERS = """
PicoHeadV2:
  static_assigner_epoch: 1 # one epoch with each assigner
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
        write_coco(root / "data" / f"{split}.json", root / "data" / split, map(draw_scene, range(1, count + 1)))
    return _with_config(root, COCO_DATA)


def voc_workspace(root: Path, train: int = 6, val: int = 4) -> Workspace:
    """Plain VOC layout: data/{JPEGImages,Annotations}, data/{train,val,labels}.txt."""
    for split, count in (("train", train), ("val", val)):
        write_voc(root / "data", split, map(draw_scene, range(count)))
    return _with_config(root, VOC_DATA)


def random_weights(config: Path, target: Path) -> Path:
    """`target`.pdparams with the config's model as it is before training, but with scores of about 0.5."""
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


def guessing_weights(config: Path, target: Path, categories: Sequence[Category] = ()) -> Path:
    """`target`.pdparams with an untrained model whose scores are spread over 0..1; it finds a lot in a fixed order."""
    import paddle

    from ppdet.training.checkpoint import save_weights

    paddle.seed(1)
    model = build_model(config)
    model.train()
    for _ in range(20):
        model(paddle.randn([4, 3, 64, 64]))  # for the norms' statistics
    state = model.state_dict()
    for name, value in state.items():
        if name.startswith("head.head_cls"):
            value.set_value(30 * value if name.endswith("weight") else paddle.zeros_like(value))
    save_weights(target, model, state, categories)
    return target.with_name(f"{target.name}.pdparams")


def build_model(config: Path) -> Any:
    from ppdet import modeling
    from ppdet.core.builder import Builder
    from ppdet.core.config import load_config

    return modeling.build_model(Builder(load_config(config)))


def copy_to_spoil(workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of a workspace with its config, which becomes the current folder."""
    shutil.copytree(workspace.root, folder / "w")
    config = folder / "w" / workspace.config.name
    config.write_text(config.read_text().replace(str(workspace.root), str(folder / "w")))
    monkeypatch.chdir(folder / "w")
    return Workspace(folder / "w")


def run_tool(name: str, *argv: object) -> None:
    """Run tools/<name>.py in this process."""
    path = str(ROOT / "tools" / f"{name}.py")
    with mock.patch.object(sys, "argv", [path, *map(str, argv)]), mock.patch.object(sys, "path", [*sys.path]):
        runpy.run_path(path, run_name="__main__")


class Tools:
    """Runs a tool with command-line arguments in this process: `tools.train("-c", config)`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, name: str, *argv: object) -> tuple[str, str]:
        """Returns (stdout, stderr) of a run that succeeds."""
        run_tool(name, *argv)
        captured = self._capsys.readouterr()
        return captured.out, captured.err

    def fail(self, name: str, *argv: object) -> str:
        """The error of a run that ends with status 2 and one line besides the log."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            run_tool(name, *argv)
        assert exit_.value.code == 2
        lines = self._capsys.readouterr().err.splitlines()
        said = [line for line in lines if not LOG_LINE.match(line)]
        assert len(said) == 1, said
        assert said[0].startswith("error: ")
        return said[0].removeprefix("error: ")


def _with_config(root: Path, datasets: str) -> Workspace:
    write_small_config(
        root / "tiny.yml",
        ASSIGNERS + datasets.format(root=root),
        save_dir=root / "output",
        epochs=2,
        snapshot_epoch=1,
        base_lr=0.01,
        sizes="[[64, 64]]",
        random_interp=False,
    )
    return Workspace(root)
