"""Measures what the loggers of a training cost.  WANDB_MODE=offline python3 benchmarks/loggers.py

One training on the CPU. Its log lines go to all loggers that are installed, every other time, so that both ways
share each busy moment. A line comes every 5 steps here; the default of `log_iter` is 20.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

from benchmarks.measure import report
from ppdet.core.errors import UserError
from ppdet.core.settings import LOGGERS, Settings
from ppdet.training.callbacks import Callback, Numbers, Run, build_loggers

EVERY = 5  # steps between two log lines
SKIPPED = 2  # log lines at first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", default="picodet_s_320_coco_lcnet.yml", help="of configs/picodet")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--lines", type=int, default=30, help="log lines that are measured")
    args = parser.parse_args()
    os.environ.setdefault("WANDB_MODE", "offline")
    with tempfile.TemporaryDirectory() as folder:
        switch = measure(args, Path(folder))
    step = statistics.median(switch.seconds[False]) / EVERY
    line = statistics.median(switch.lines)
    print(f"loggers: {', '.join(switch.names)}")
    ways = {"without loggers": switch.seconds[False], "with loggers": switch.seconds[True]}
    report("s per step", {name: [each / EVERY for each in seconds] for name, seconds in ways.items()})
    print(f"in the loggers: {1000 * line:.2f} ms for a log line, {line / step:.2%} of a step")
    print(f"with log_iter {Settings.log_iter}: {line / step / Settings.log_iter:.3%} of the training")


def measure(args: argparse.Namespace, folder: Path) -> Switch:
    from ppdet.training.loop import fit
    from ppdet.training.setup import build_trainer
    from tests.support.configs import write_small_config
    from tests.support.datasets import noise_scenes, write_coco
    from tests.support.tiny import make_run

    images = args.batch * EVERY * (args.lines + SKIPPED)
    write_coco(folder / "boxes.json", folder / "images", islice(cycle(islice(noise_scenes(12), 10)), images))
    dataset = f"!COCODataSet {{dataset_dir: {folder}, image_dir: images, anno_path: boxes.json}}"
    write_small_config(
        folder / "logged.yml",
        f"device: cpu\nTrainDataset: {dataset}\n",
        base=args.config,
        save_dir=folder / "output",
        epochs=1,
        snapshot_epoch=1,
        base_lr=0.001,
        sizes=f"[{args.size}]",
        random_interp=False,
    )
    switch = Switch(folder / "output" / "logged")
    overrides = (f"TrainReader.batch_size={args.batch}", f"log_iter={EVERY}", "worker_num=1")
    fit(*build_trainer(make_run(folder / "logged.yml", *overrides), callbacks=[switch]))
    return switch


class Switch(Callback):
    """Passes every other log line on to all loggers that are installed.

    Attributes:
        names: of the loggers.
        seconds: from one log line to the end of the next, without and with the loggers.
        lines: seconds in the loggers for a log line.
    """

    def __init__(self, folder: Path) -> None:
        self.names: list[str] = []
        self.seconds: dict[bool, list[float]] = {False: [], True: []}
        self.lines: list[float] = []
        self._loggers: list[Any] = []
        self._skipped, self._last = 0, 0.0
        for name in LOGGERS:
            with suppress(UserError):
                self._loggers += build_loggers([name], folder)
                self.names.append(name)

    def on_begin(self, run: Run) -> None:
        for logger in self._loggers:
            logger.on_begin(run)

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        start, on = time.perf_counter(), updates // EVERY % 2 == 0
        for logger in self._loggers if on else ():
            logger.on_record(kind, updates, numbers)
        end = time.perf_counter()
        if self._skipped >= SKIPPED:
            self.seconds[on].append(end - self._last)
            self.lines += [end - start] if on else []
        self._skipped, self._last = self._skipped + 1, end

    def on_end(self, complete: bool) -> None:
        for logger in self._loggers:
            logger.on_end(complete)


if __name__ == "__main__":
    main()
