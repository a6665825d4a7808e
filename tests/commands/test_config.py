"""`ppdet config` as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ppdet.core.config import load_config
from tests.support.workspaces import ROOT

NAME = "picodet_s_320_coco_lcnet"


def call(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "ppdet", "config", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2
    return line.removeprefix("error: ")


def test_the_printed_config_is_the_same_config(tmp_path: Path) -> None:
    done = call("-c", NAME, "-o", "epoch=50", "LearningRate.base_lr=1e-05")
    (tmp_path / "printed.yml").write_text(done.stdout)
    assert load_config(tmp_path / "printed.yml") == load_config(NAME, ["epoch=50", "LearningRate.base_lr=1e-05"])
    assert not any(line.split("|")[-1].strip() == "paddle" for line in done.stderr.splitlines())


def test_explain() -> None:
    done = call("-c", NAME, "-o", "LCNet.scale=0.5", "--explain", "PicoHeadV2.num_classes", "LCNet.scale")
    first, second = done.stdout.strip().split("\n\n")
    assert first.splitlines()[:2] == [
        "PicoHeadV2.num_classes: 80",
        "  from   shared top-level key num_classes, configs/datasets/coco_detection.yml:4",
    ]
    assert second.splitlines()[:2] == ["LCNet.scale: 0.5", "  from   class section LCNet, -o"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--explain", "PicoHeadV2.num_clases"], "PicoHeadV2.num_clases: no such key; did you mean 'PicoHeadV2.num_"),
        (["-o", "eval_size=[64, 64]"], "eval_size: has no effect here; set EvalReader.sample_transforms.1.Resize.tar"),
        (["-o", "ESNet.scale=1", "--explain", "epoch"], "ESNet.scale: has no effect here; this config names no ESNet"),
    ],
)
def test_mistakes(args: list[str], message: str) -> None:
    assert error_of(call("-c", NAME, *args)).startswith(message)
