"""Scores and times with and without NMS, by the same weights.  python3 benchmarks/e2e.py -c CONFIG --weights FILE

Trains the branch alone, then prints the score with NMS (PicoHeadV2), without (PicoHeadE2E) and without any training of
the branch, and the time of `Detector.detect` for an ONNX export of both, on images of EvalDataset, which take turns in
one process. `--epochs 0` leaves out the training.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not
HEADS = {"with NMS": "PicoHeadV2", "without NMS": "PicoHeadE2E"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", default=str(ROOT / "configs" / "picodet" / "picodet_xs_demo.yml"))
    parser.add_argument("--weights", required=True, help="of the trained model")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--base_lr", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=100, help="timed images of each export")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output_dir", type=Path, default=ROOT / "output" / "e2e")
    parser.add_argument("-o", "--options", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    start = time.perf_counter()
    trained = train_branch(args) if args.epochs else args.weights
    print(f"branch trained in {(time.perf_counter() - start) / 60:.1f} minutes", flush=True)
    logging.disable(logging.INFO)
    for about, head, weights in [
        ("with NMS", "PicoHeadV2", trained),
        ("without NMS, branch untrained", "PicoHeadE2E", args.weights),
        ("without NMS", "PicoHeadE2E", trained),
    ]:
        print(f"{about}: {score(args, head, weights):.4f}", flush=True)
    for about, milliseconds in times(args, trained).items():
        print(f"detect {about}: {milliseconds:.2f} ms", flush=True)


def train_branch(args: argparse.Namespace) -> str:
    """Trains the branch; returns its weights."""
    rate = f"[{{name: CosineDecay, max_epochs: {args.epochs}}}, {{name: LinearWarmup, start_factor: 0.1, steps: 20}}]"
    options = [
        "PicoDet.head=PicoHeadE2E",
        "PicoDet.train_only=head.one_to_one",
        f"pretrain_weights={args.weights}",
        f"epoch={args.epochs}",
        f"snapshot_epoch={args.epochs}",
        f"save_dir={args.output_dir}",
        "filename=branch",
        "OptimizerBuilder.optimizer={type: AdamW, weight_decay: 0.01, momentum: null}",
        "OptimizerBuilder.regularizer=null",
        f"LearningRate.base_lr={args.base_lr}",
        "LearningRate.auto_scale=false",
        f"LearningRate.schedulers={rate}",
    ]
    command = [sys.executable, "tools/train.py", "-c", args.config, "--seed", str(args.seed), "-o"]
    subprocess.run([*command, *options, *args.options], cwd=ROOT, check=True)
    return str(args.output_dir / "branch" / "model_final.pdparams")


def score(args: argparse.Namespace, head: str, weights: str) -> float:
    """The metric's first number on EvalDataset."""
    from ppdet.evaluation.evaluator import build_evaluator
    from ppdet.session import open_session

    session = open_session(args.config, [*args.options, f"PicoDet.head={head}", f"weights={weights}"], training=False)
    return next(iter(build_evaluator(session)(session.load_model()).values()))


def times(args: argparse.Namespace, weights: str) -> dict[str, float]:
    """Milliseconds of `detect` for a decoded image, the median for each export."""
    from ppdet.deploy import Detector
    from ppdet.deploy.images import read_image
    from ppdet.export.export import export
    from ppdet.session import open_session

    detectors = {}
    for about, head in HEADS.items():
        options = [f"PicoDet.head={head}", f"weights={weights}", "export.format=onnx", f"filename={head}"]
        session = open_session(args.config, [*args.options, *options], training=False)
        detectors[about] = Detector(export(session, args.output_dir), "onnxruntime", args.threads, order="bgr")
    records = session.load_annotated("EvalDataset", without_boxes=True).records
    images = [read_image(record.im_file) for record in islice(records, 50)]
    seconds: dict[str, list[float]] = {about: [] for about in detectors}
    for turn in range(args.repeats + 10):
        for about, detector in detectors.items():
            start = time.perf_counter()
            detector.detect(images[turn % len(images)])
            if turn >= 10:
                seconds[about].append(time.perf_counter() - start)
    return {about: 1000 * median(values) for about, values in seconds.items()}


if __name__ == "__main__":
    main()
