"""Measures what INT8 costs in AP, on images that no setting was chosen on.

    python3 benchmarks/quantization.py --weights xs.pdparams [--config picodet_xs_320_coco_lcnet] [--images 25]
        [--seeds 0 1 2] [--runtimes onnxruntime openvino ncnn mnn tflite rknn] [--tool_env DIR]
        [--train DATASET_DIR] [--eval IMAGES:ANNOTATIONS IMAGES:ANNOTATIONS ...] [--layers]

Exports the model once. For each number of `--images` and each seed, it is calibrated with images that the seed draws
from TrainDataset, and runs on all images of `--eval` in each runtime; vendors' formats are written by their converters,
in the environment --tool_env if they are not here. The table has the AP of each calibration, and the mean change with
its 95 % interval from resamples of the images, paired with the float model in ONNX Runtime. Also prints the processor
time of a quantization for ONNX Runtime and OpenVINO.

With --layers it prints instead how much the outputs change if a convolution alone is in INT8, weights rounded to the
nearest and all channels at one size: calibrated with --images of TrainDataset, measured on as many others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import onnx

from ppdet.data.datasets import Dataset
from ppdet.deploy.backends.base import keep_outputs
from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino
from ppdet.evaluation.evaluator import Evaluator, build_evaluator
from ppdet.evaluation.exported import detect_with
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.export.export import export
from ppdet.export.image_input import ImageInput
from ppdet.export.resolve import resolved
from ppdet.metrics.analysis.bootstrap import Resampled
from ppdet.metrics.results import ImageDetections
from ppdet.quantization.calibration import calibration_feeds, calibration_set
from ppdet.quantization.gains import resampled_scores
from ppdet.quantization.min_max import min_max_plan
from ppdet.quantization.network import Network
from ppdet.quantization.post_training import post_training_plan
from ppdet.quantization.qdq import qdq_model
from ppdet.quantization.ranges import channel_ranges
from ppdet.quantization.sensitivity import sensitivities
from ppdet.quantization.statistics import collect
from ppdet.quantization.targets import TARGETS
from ppdet.quantization.vendor_int8 import VENDORS, write_int8
from ppdet.quantization.vendor_runner import detect_with_networks
from ppdet.quantization.vendor_source import Source
from ppdet.session import Session, open_session
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.simulator import Simulator
from ppdet.vendor.toolchain import TOOLCHAINS

RUNTIMES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}
THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--config", default="picodet_xs_320_coco_lcnet")
    parser.add_argument("--images", type=int, nargs="+", default=[25])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runtimes", nargs="+", default=list(RUNTIMES), choices=[*RUNTIMES, *VENDORS])
    parser.add_argument("--tool_env", help="environment with the converters of the vendors' formats")
    parser.add_argument("--train", help="dataset_dir of TrainDataset; default: that of the config")
    parser.add_argument("--eval", nargs="+", help="images and COCO annotations; default: EvalDataset of the config")
    parser.add_argument("--layers", action="store_true", help="print the change that each convolution makes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"weights={args.weights}", "device=cpu", "worker_num=0", "filename=float", "export.format=onnx"]
        if args.train:
            overrides += [f"{name}.dataset_dir={args.train}" for name in ("TrainDataset", "EvalDataset", "TestDataset")]
        if args.eval:
            joined = {"dataset_dir": folder, "image_dir": "images", "anno_path": "boxes.json"}
            join([pair.split(":") for pair in args.eval], Path(folder))
            overrides += [f"EvalDataset.{key}={value}" for key, value in joined.items()]
        session = resolved(open_session(args.config, overrides))
        if args.layers:
            print_layers(session, Path(folder), args.images[0])
        else:
            measure(session, Path(folder), args)


def join(sets: Sequence[Sequence[str]], folder: Path) -> None:
    """Write one data set of several with the same classes: links to the images, and boxes.json."""
    joined: dict[str, list[Any]] = {"images": [], "annotations": []}
    (folder / "images").mkdir()
    for images, boxes in sets:
        content = json.loads(Path(boxes).read_text())
        for image in content["images"]:
            (folder / "images" / image["file_name"]).symlink_to(Path(images).resolve() / image["file_name"])
        joined["images"] += content["images"]
        joined["annotations"] += content["annotations"]
        joined["categories"] = content["categories"]
    for number, annotation in enumerate(joined["annotations"], 1):
        annotation["id"] = number
    (folder / "boxes.json").write_text(json.dumps(joined))


def print_layers(session: Session, folder: Path, count: int) -> None:
    """Print the convolutions in the order of the change that each makes alone, with its place in the graph."""
    model = onnx.load(str(export(session, folder) / "model.onnx"))
    network, builder = Network.of(model), FeedBuilder.of(session, model)
    feeds = calibration_feeds(session, calibration_set(session, 2 * count), builder)
    rules = TARGETS["openvino"]
    plan = min_max_plan(network, channel_ranges(network, feeds[:count], THREADS), rules)
    found = sensitivities(model, plan, feeds[count:], THREADS)
    print("| convolution | kernel | channels | change |\n| --- | --- | --- | --- |")
    for name in sorted(found, key=found.__getitem__, reverse=True):
        conv = network.convs[name]
        outputs, _, *kernel = conv.weight.shape
        place = list(found).index(name)
        print(f"| {place}: {name} | {kernel[0]}x{kernel[1]} | {conv.channels} -> {outputs} | {found[name]:.4f} |")


def measure(session: Session, folder: Path, args: argparse.Namespace) -> None:
    trained = session.trained_classes()
    evaluator = build_evaluator(session, trained)
    model = onnx.load(str(export(session, folder) / "model.onnx"))
    sets: dict[tuple[int, int], Dataset] = {}
    for count in args.images:
        for seed in args.seeds:
            drawn = replace(session, settings=replace(session.settings, seed=seed))
            sets[count, seed] = calibration_set(drawn, count, trained)
    files = {"float": folder / "float.onnx"}
    onnx.save(model, str(files["float"]))
    seconds = write_files(session, model, sets, [name for name in args.runtimes if name in RUNTIMES], folder, files)
    runners = {
        name: keep_outputs(RUNTIMES.get(name.split()[0], OnnxRuntime)(file, THREADS).run)
        for name, file in files.items()
    }
    select = session.build_model().head.select
    found = detect_with(evaluator, FeedBuilder.of(session, model), runners, session.settings.export, select)
    if vendors := [name for name in args.runtimes if name in VENDORS]:
        found |= detect_in_vendors(session, evaluator, sets, vendors, args.tool_env, folder)
    report(resampled_scores(session, evaluator.dataset, found), len(evaluator.dataset))
    if seconds:
        wall, cpu_time = (statistics.median(column) for column in zip(*seconds, strict=True))
        print(f"\na quantization: {wall:.0f} s, {cpu_time:.0f} s of processor time (export and images not counted)")


def write_files(
    session: Session,
    model: Any,
    sets: Mapping[tuple[int, int], Dataset],
    targets: Sequence[str],
    folder: Path,
    files: dict[str, Path],
) -> list[tuple[float, float]]:
    """Add an INT8 file for each set and target to `files`; return seconds by the clock and of the CPU for each set."""
    network, builder, seconds = Network.of(model), FeedBuilder.of(session, model), []
    for (_, seed), images in sets.items() if targets else ():
        feeds = calibration_feeds(session, images, builder)
        start, cpu = time.perf_counter(), os.times()
        collected = collect(network, feeds, THREADS)
        for target in targets:
            plan = post_training_plan(network, collected, TARGETS[target])
            name = f"{target} {len(feeds)} {seed}"
            files[name] = folder / f"{name.replace(' ', '_')}.onnx"
            onnx.save(qdq_model(model, plan), str(files[name]))
        used = os.times()
        seconds.append((time.perf_counter() - start, used.user + used.system - cpu.user - cpu.system))
    return seconds


def detect_in_vendors(
    session: Session,
    evaluator: Evaluator,
    sets: Mapping[tuple[int, int], Dataset],
    formats: Sequence[str],
    tool_env: str | None,
    folder: Path,
) -> dict[str, list[ImageDetections]]:
    """Return the detections of an INT8 file for each set and vendor's format."""
    first = Source.of(session, next(iter(sets.values())), formats)
    found = {}
    for (_, seed), images in sets.items():
        feeds = calibration_feeds(first.session, images, FeedBuilder(1, ["image"], ImageInput.of(session)))
        source = Source(first.session, first.network, first.config, feeds)
        for name in formats:
            key, chain = f"{name} {len(feeds)} {seed}", TOOLCHAINS[name]
            stem = key.replace(" ", "_")
            target = folder / f"{stem}{chain.suffix}"
            job = Conversion(folder / f"{stem}_source.onnx", target, False, tool_env, source.images)
            write_int8(name, source, job)
            backend = chain.load(job, THREADS)
            found |= detect_with_networks(evaluator, source, {key: backend})
            if isinstance(backend, Simulator):
                backend.close()
    return found


def report(scores: dict[str, Resampled], num_images: int) -> None:
    """Print a line per runtime and number of calibration images."""
    base = scores.pop("float")
    print(f"\nfloat: AP {base.values[0]:.4f} on {num_images} images\n")
    print("| runtime | calibration images | AP of each calibration | mean change, points (95 % interval) |")
    print("| --- | --- | --- | --- |")
    for kind in dict.fromkeys(name.rsplit(" ", 1)[0] for name in scores):
        runs = [value for name, value in scores.items() if name.rsplit(" ", 1)[0] == kind]
        values = ", ".join(f"{run.values[0]:.4f}" for run in runs)
        change = 100 * (np.mean([run.values[0] for run in runs]) - base.values[0])
        half = 196 * np.std(np.mean([run.samples[:, 0] for run in runs], axis=0) - base.samples[:, 0])
        print(
            f"| {' | '.join(kind.split())} | {values} | {change:+.2f} ({change - half:+.2f} to {change + half:+.2f}) |"
        )


if __name__ == "__main__":
    main()
