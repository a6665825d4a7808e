"""Measures what a teacher gives and costs.  python3 benchmarks/distillation.py [--seeds 0 1 2] [--cost]

Trains the demo's XS for each seed without a teacher and with one, which is the S of the same width of data, and prints
the gain of each seed, their mean, and its 95 % interval (paired t). Runs that are complete in the output folder are not
repeated. `--data_seed 1` trains and scores on another draw of the images: choose settings there. `--cost` measures
training steps with and without a teacher instead, in turns, S to XS at 320 and 416 pixels, against the teacher's share
of the multiplications: its forward pass by three of the student's, for its forward and backward pass.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

from benchmarks.measure import convolutions, mean_interval

DEMO = "configs/picodet/picodet_xs_demo.yml"
LOSSES = "[ClassDistillation: {weight: 2.0}, BoxDistillation: {weight: 0.5}, FeatureDistillation: {weight: 1.0}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data_seed", type=int, default=0, help="of the images (default 0)")
    parser.add_argument("--losses", default=LOSSES, help="Distillation.losses, as YAML")
    parser.add_argument("--output", type=Path, default=ROOT / "output" / "distillation")
    parser.add_argument("--cost", action="store_true", help="measure steps instead")
    parser.add_argument("--repeats", type=int, default=15, help="of --cost")
    parser.add_argument("-o", "--options", nargs="+", default=[], metavar="KEY=VALUE", help="for all trainings")
    args = parser.parse_args()
    if args.cost:
        for size in (320, 416):
            print(cost(size, args.repeats), flush=True)
    else:
        print_gains(args)


def print_gains(args: argparse.Namespace) -> None:
    """Train what is missing, and print the table."""
    data = args.output / f"demo_{args.data_seed}"
    draw = ["dataset/demo/make_demo.py", "--output", str(data), "--seed", str(args.data_seed)]
    subprocess.run([sys.executable, *draw], cwd=ROOT, check=True)
    teacher = args.output / f"teacher_{data.name}"
    print(f"teacher: AP {100 * trained(teacher, data, 0, ['LCNet.scale=0.75', *args.options]):.1f}\n")
    print("| seed | AP without | with a teacher | gain |\n| --- | --- | --- | --- |", flush=True)
    section = [
        f"Distillation.teacher={teacher / 'config.yml'}",
        f"Distillation.teacher_weights={teacher / 'best_model'}",
    ]
    section += [f"Distillation.losses={args.losses}"]
    gains = []
    for seed in args.seeds:
        plain = trained(args.output / f"plain_{data.name}_seed_{seed}", data, seed, args.options)
        taught = trained(args.output / f"taught_{data.name}_seed_{seed}", data, seed, [*section, *args.options])
        gains.append(100 * (taught - plain))
        print(f"| {seed} | {100 * plain:.1f} | {100 * taught:.1f} | {gains[-1]:+.1f} |", flush=True)
    if interval := mean_interval(gains):
        center, low, high = interval
        print(f"| mean | | | {center:+.1f} ({low:+.1f} to {high:+.1f}) |")


def trained(folder: Path, data: Path, seed: int, options: list[str]) -> float:
    """AP of the last evaluation of the run in `folder`, which is made unless it is there."""
    log = folder / "metrics.jsonl"
    if not (folder / "model_final.pdstate").is_file():
        sets = [f"{key}.dataset_dir={data}" for key in ("TrainDataset", "EvalDataset", "TestDataset")]
        command = [sys.executable, "tools/train.py", "-c", DEMO, "--eval", "--seed", str(seed), "-o", *sets]
        place = [f"save_dir={folder.parent}", f"filename={folder.name}"]
        subprocess.run([*command, *place, *options], cwd=ROOT, check=True, capture_output=True)
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return float([record for record in records if record["kind"] == "eval"][-1]["AP"])


def cost(size: int, repeats: int) -> str:
    """A line about steps of 8 images of `size` pixels, without and with a teacher, and the share that should be."""
    import paddle

    from ppdet.distillation import build_distiller
    from ppdet.session import open_session
    from ppdet.training.checkpoint import save_weights
    from ppdet.training.model import build_training_model
    from ppdet.training.step import train_step
    from ppdet.training.trial_step import synthetic_batch

    names = [f"picodet_{model}_{size}_coco_lcnet" for model in ("s", "xs")]
    common = ["device=cpu", "pretrain_weights=null"]
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "teacher"
        model = open_session(names[0], common).build_model()
        save_weights(weights, model, model.state_dict())
        section = {"teacher": names[0], "teacher_weights": str(weights), "losses": LOSSES}
        session = open_session(names[1], [*common, *(f"Distillation.{key}={value}" for key, value in section.items())])
        model = build_training_model(session, None, ())
        normalization = session.builder.build("TrainReader").normalization
        classes = [None] * session.settings.num_classes
        distiller = build_distiller(session.builder, model, normalization, classes, "cpu")
    assert distiller
    model.train()
    batch = synthetic_batch(8, (size, size), session.settings.num_classes)
    plain = [open_session(name, common).build_model() for name in names]  # whose layers call their convolutions
    for each in plain:
        each.eval()
    forward = [sum(count for count, *_ in convolutions(each, batch.image)) for each in plain]
    share = forward[0] / (3 * forward[1])
    scaler, optimizer = paddle.amp.GradScaler(enable=False), session.builder.build("OptimizerBuilder")
    networks = {
        "without": (model, model.criterion),
        "with": (distiller.beside_teacher(distiller.student), distiller.criterion),
    }
    optimizers = {"without": optimizer(1e-4, model), "with": optimizer(1e-4, model, others=distiller.parameters)}

    def step(name: str) -> float:
        return float(train_step(*networks[name], batch, 100, optimizers[name], scaler)["loss"])

    found: dict[str, list[float]] = {"without": [], "with": [], "without, CPU": [], "with, CPU": []}
    for turn in range(repeats + 1):
        for name in networks:
            start = time.perf_counter(), time.process_time()
            step(name)
            if turn:  # the first one compiles and allocates
                found[name].append(time.perf_counter() - start[0])
                found[f"{name}, CPU"].append(time.process_time() - start[1])
    medians = {name: median(values) for name, values in found.items()}
    wall, cpu = (medians[f"with{kind}"] / medians[f"without{kind}"] for kind in ("", ", CPU"))
    return (
        f"{size} pixels: {medians['without']:.3f} s without, {medians['with']:.3f} s with a teacher: {wall:.2f} times, "
        f"{cpu:.2f} times the processors' time; the teacher's share of the multiplications is {share:.2f}"
    )


if __name__ == "__main__":
    main()
