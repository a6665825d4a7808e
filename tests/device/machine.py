"""Commands on a machine with two plug-in devices, and a small training set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppdet.training.train import train
from tests.support.tiny import make_run, write_config, write_dataset
from tests.support.workspaces import ROOT

KIND = "iluvatar_gpu"
# One epoch of two updates that do not magnify rounding. The coarsest level has one cell for each image of 64 x 64: with
# fewer than four images the variance of a channel can be zero but for rounding, and the norm divides by its root.
SHORT = (
    "epoch=1",
    "snapshot_epoch=1",
    "LearningRate.base_lr=0.001",
    "TrainReader.batch_size=4",
    "TrainReader.batch_transforms.0.BatchRandomResize.target_size=[64]",
)
TWO_EPOCHS = (*SHORT, "epoch=2")


@dataclass(frozen=True)
class Machine:
    """Runs commands from the clone.

    Attributes:
        plugin: the folder of the compiled plug-in.
        folder: for the data set, `tiny.yml` and all outputs.
    """

    plugin: Path
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "tiny.yml"

    def prepare(self, images: int = 10, base: str = "picodet_xs_320_coco_lcnet.yml") -> Machine:
        """Writes the data set and the config, which leaves the choice of the device to the program."""
        write_dataset(self.folder, images)
        config = write_config(self.folder, base)
        config.write_text(config.read_text().replace("device: cpu\n", ""))
        return self

    def environment(self, **more: str) -> dict[str, str]:
        """Returns the environment of a process that has the devices."""
        return {**os.environ, "CUSTOM_DEVICE_ROOT": str(self.plugin), "GLOG_minloglevel": "2"} | more

    def run(self, *command: str | Path, status: int = 0, seconds: int = 300, **environment: str) -> str:
        """Runs Python with `command` and returns its output. An empty CUSTOM_DEVICE_ROOT hides the devices."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=self.environment(**environment),
            text=True,
            capture_output=True,
            timeout=seconds,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def train(self, name: str, *overrides: str, options: tuple[str, ...] = (), **environment: str) -> Path:
        """Trains on the device into `name`, and returns the folder of the results."""
        save = f"save_dir={self.folder / name}"
        self.run("tools/train.py", "-c", self.config, *options, "-o", save, *overrides, **environment)
        return self.folder / name / "tiny"

    def train_on_cpu(self, name: str, *overrides: str) -> Path:
        """Trains in this process, which has no plug-in."""
        train(make_run(self.config, "device=cpu", f"save_dir={self.folder / name}", *overrides))
        return self.folder / name / "tiny"

    def train_ranks(self, name: str, *overrides: str, ranks: int = 2) -> Path:
        """Trains through the launcher, each rank on a device of its own."""
        cards = ["--devices", ",".join(map(str, range(ranks)))]
        return self._launch(name, cards, overrides, PADDLE_XCCL_BACKEND=KIND)

    def train_ranks_on_cpu(self, name: str, *overrides: str, ranks: int = 2) -> Path:
        """Trains through the launcher, which does not see the devices."""
        hidden = {"CUSTOM_DEVICE_ROOT": "", "PADDLE_DISTRI_BACKEND": "gloo"}
        return self._launch(name, ["--nproc_per_node", str(ranks)], ["device=cpu", *overrides], **hidden)

    def _launch(self, name: str, ranks: Sequence[str], overrides: Sequence[str], **environment: str) -> Path:
        launcher = ["-m", "paddle.distributed.launch", "--log_dir", self.folder / f"{name}-log", *ranks]
        training = ["tools/train.py", "-c", self.config, "-o", f"save_dir={self.folder / name}", *overrides]
        self.run(*launcher, *training, **environment)
        return self.folder / name / "tiny"


def losses(folder: Path) -> np.ndarray:
    """The losses of a training's log lines."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return np.array([record["loss"] for record in records if "loss" in record])
