"""Measures what a teacher's labels gain.  python3 benchmarks/teacher_labels.py --teacher output_inference/s

Trains the XS demo config with and without `TeacherLabels`, once for each seed, and prints AP x 100 and the mean gain
with its 95 % interval (paired, Student's t). `--remove 0.3` removes that share of the training boxes at random, the
same ones for all runs. The teacher is an export that knows the classes of the demo, for example LCNet.scale=0.75:

    python3 tools/train.py -c configs/picodet/picodet_xs_demo.yml --eval -o LCNet.scale=0.75 filename=s
    python3 tools/export_model.py -c configs/picodet/picodet_xs_demo.yml --format onnx -o LCNet.scale=0.75 filename=s \
        weights=output/s/best_model

Runs that are complete in `--output` are not repeated. Choose settings on another draw of the images than the one that
scores them (dataset/demo/make_demo.py --seed 1).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

from benchmarks.measure import mean_interval

CONFIG = "configs/picodet/picodet_xs_demo.yml"


def main() -> None:
    """Train all runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=lambda text: Path(text).resolve(), default=ROOT / "dataset" / "demo")
    parser.add_argument("--teacher", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--output", type=lambda text: Path(text).resolve(), default=ROOT / "output" / "teacher_labels")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--remove", type=float, default=0.0, help="share of the training boxes (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--settings", default="{}", help="options of TeacherLabels, as a YAML mapping")
    parser.add_argument("-o", "--options", nargs="+", default=[], metavar="KEY=VALUE", help="for all runs")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    teacher = f"TeacherLabels={{model: {args.teacher}, {args.settings.strip('{}')}}}"
    print("| seed | without | with | gain |\n| --- | --- | --- | --- |", flush=True)
    gains = []
    for seed in args.seeds:
        plain, taught = (train(args, seed, *run) for run in (("plain", []), ("taught", [teacher])))
        gains.append(taught - plain)
        print(f"| {seed} | {plain:.2f} | {taught:.2f} | {gains[-1]:+.2f} |", flush=True)
    if interval := mean_interval(gains):
        center, low, high = interval
        print(f"mean gain {center:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}")


def train(args: argparse.Namespace, seed: int, name: str, options: list[str]) -> float:
    """Train one run if it is not complete; returns its AP x 100 at the end."""
    run = f"{name}_{round(100 * args.remove)}_seed{seed}"
    metrics = args.output / run / "metrics.jsonl"
    if not _final_score(metrics, args.epochs):
        sets = [f"{key}.dataset_dir={args.data}" for key in ("TrainDataset", "EvalDataset", "TestDataset")]
        sets.append(f"TrainDataset.anno_path={_annotations(args)}")
        cosine = f"!CosineDecay {{max_epochs: {args.epochs}}}, !LinearWarmup {{start_factor: 0.1, steps: 50}}"
        length = [f"epoch={args.epochs}", f"snapshot_epoch={args.epochs}", f"LearningRate.schedulers=[{cosine}]"]
        place = [f"save_dir={args.output}", f"filename={run}"]
        command = [sys.executable, "tools/train.py", "-c", CONFIG, "--eval", "--seed", str(seed)]
        with (args.output / f"{run}.log").open("w") as log:
            subprocess.run(
                [*command, "-o", *place, *sets, *length, *args.options, *options],
                cwd=ROOT,
                check=True,
                stdout=log,
                stderr=log,
            )
    return 100 * (_final_score(metrics, args.epochs) or float("nan"))


def _final_score(metrics: Path, epochs: int) -> float | None:
    """AP of a complete run."""
    records = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.is_file() else []
    scores = [record["AP"] for record in records if record["kind"] == "eval" and record["epoch"] == epochs]
    return scores[-1] if scores else None


def _annotations(args: argparse.Namespace) -> Path:
    """The training annotations without `--remove` of the boxes."""
    original: Path = args.data / "annotations" / "instances_train.json"
    if not args.remove:
        return original
    path: Path = args.output / f"removed_{round(100 * args.remove)}.json"
    path.write_text(json.dumps(with_boxes_removed(json.loads(original.read_text()), args.remove)))
    return path


def with_boxes_removed(content: dict[str, Any], share: float) -> dict[str, Any]:
    """A copy of a COCO file's content without that share of its annotations; crowds stay."""
    draws = np.random.default_rng(0).random(len(content["annotations"]))
    pairs = zip(content["annotations"], draws.tolist(), strict=True)
    return {**content, "annotations": [each for each, draw in pairs if each.get("iscrowd") or draw >= share]}


if __name__ == "__main__":
    main()
