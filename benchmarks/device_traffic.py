"""What an accelerator is asked to do in training and evaluation.  python3 benchmarks/device_traffic.py

Copies, waits, allocations, launches and collectives, counted by a plug-in device (tests/device/plugin), which is
compiled for this. Operators without a kernel there run on the CPU; the copies that only this needs are not counted. The
images are rectangles, and small, because the numbers do not depend on the size, except for the bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

IN_DEVICE_PROCESS = "_PPDET_COUNTED"
LOG_EVERY = 5  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", default="picodet_s_320_coco_lcnet.yml", help="of configs/picodet")
    parser.add_argument("--batch", type=int, default=8, help="images per step")
    parser.add_argument("--images", type=int, default=56, help="images per epoch, of which there are two")
    parser.add_argument("-o", "--opt", nargs="*", default=[], help="overrides of the config")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    args = parser.parse_args()
    if IN_DEVICE_PROCESS in os.environ:
        found = measure(args)
        print(json.dumps({name: asdict(each) for name, each in found.items()}) if args.json else describe(found))
        return
    from tests.device.build import build

    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        env = os.environ | {"CUSTOM_DEVICE_ROOT": folder, "GLOG_minloglevel": "2", IN_DEVICE_PROCESS: "1"}
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=env).returncode)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the Traffic of each part of a training of two epochs; the first epoch is for warming up."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, args.config, args.images, epochs=2)
        overrides = [f"TrainReader.batch_size={args.batch}", f"EvalReader.batch_size={args.batch}"]
        return measure_training(folder / "counted.yml", [*overrides, f"log_iter={LOG_EVERY}", *args.opt])


def write_inputs(folder: Path, base: str, images: int, epochs: int) -> None:
    """Writes `boxes.json`, its images, and `counted.yml`: the config `base` made small."""
    from tests.support.configs import write_small_config
    from tests.support.datasets import draw_scene, write_coco

    write_coco(folder / "boxes.json", folder / "images", map(draw_scene, range(images)), first_category=1)
    dataset = f"!COCODataSet {{dataset_dir: {folder}, image_dir: images, anno_path: boxes.json}}"
    write_small_config(
        folder / "counted.yml",
        f"TrainDataset: {dataset}\nEvalDataset: {dataset}\n",
        base=base,
        save_dir=folder / "output",
        epochs=epochs,
        snapshot_epoch=1,
        base_lr=0.001,
        sizes="[64]",
        random_interp=False,
    )


@dataclass
class Steps:
    """Stands for a learning rate, which is asked once at the start of each step, and reads the counters then."""

    schedule: Any
    take: Callable[[], Any]
    found: list[Any] = field(default_factory=list)

    def at(self, updates: int, steps_per_epoch: int) -> float:
        self.found.append(self.take())
        return self.schedule.at(updates, steps_per_epoch)


def measure_training(config: Path, overrides: list[str]) -> dict[str, Any]:
    from ppdet.training import loop
    from ppdet.training.setup import build_trainer
    from tests.device.traffic import take, traffic_of
    from tests.support.tiny import make_run

    trainer, progress = build_trainer(make_run(config, *overrides), evaluate=True)
    steps, evaluations, checkpoints = Steps(trainer.learning_rate, take), [], []
    evaluate, save = trainer.evaluate, loop.save_checkpoint
    loop.save_checkpoint = lambda *parts: checkpoints.append(traffic_of(lambda: save(*parts)))

    def counted(model: Any) -> dict[str, float]:
        scores: dict[str, float] = {}
        evaluations.append(traffic_of(lambda: scores.update(evaluate(model))))
        return scores

    loop.fit(replace(trainer, learning_rate=steps, evaluate=counted), progress)
    second = steps.found[trainer.steps + 2 : 2 * trainer.steps]  # from one step's start to the next one's
    logged = second[LOG_EVERY - 2 :: LOG_EVERY]  # the first of them begins with step 2
    silent = [each for each in second if each not in logged]
    return {
        "step": silent[0],
        "steps": total(silent),
        "step with a log line": logged[0],
        "evaluation": evaluations[-1],
        "checkpoint": checkpoints[-1],
        "check for finite weights": traffic_of(lambda: loop._check_finite(trainer.model)),
        **parts_of_update(trainer),
    }


def parts_of_update(trainer: Any) -> dict[str, Any]:
    """The traffic of one update, part by part."""
    from tests.device.traffic import traffic_of

    trainer.model.train()
    made: dict[str, Any] = {"batch": next(iter(trainer.loader.epoch(0)))}

    def forward() -> None:
        made["outputs"] = trainer.model(made["batch"].image)

    def loss() -> None:
        made["loss"] = trainer.model.criterion(made["outputs"], made["batch"].targets, epoch=1)["loss"]

    def update() -> None:
        trainer.optimizer.step()
        trainer.optimizer.clear_grad(set_to_zero=False)

    parts = {"forward": forward, "loss": loss, "backward": lambda: made["loss"].backward(), "update": update}
    return {name: traffic_of(part) for name, part in (parts | {"average": trainer.ema.update}).items()}


def total(parts: list[Any]) -> Any:
    sums = {name: dict(sum((Counter(asdict(each)[name]) for each in parts), Counter())) for name in asdict(parts[0])}
    return type(parts[0])(**sums)


def describe(found: dict[str, Any]) -> str:
    lines = []
    for name, each in found.items():
        lines.append(f"{name}: {sum(each.launches.values())} launches")
        lines += [
            f"    {count:>6} {kind}, {each.bytes.get(kind, 0)} bytes" for kind, count in sorted(each.counts.items())
        ]
    step = Counter(found["step"].launches)
    return "\n".join([*lines, "launches of a step:", *(f"    {count:>6} {name}" for name, count in step.most_common())])


if __name__ == "__main__":
    main()
