"""Time of the network in each runtime, one thread: float without rewrites, float, INT8.  python3 benchmarks/latency.py

Exports each model as it is now, as it is without `split_filters` and `_average_channels_first`, and with all
convolutions in INT8 (with the ranges of one random image: right for times only), and runs the files in turn in one
process. Times are processor time, which other programs on the machine disturb less; the gain is the median of paired
ratios. Pin it to one core: `taskset -c 1 python3 benchmarks/latency.py`. Weights: random, unless `--weights NAME=FILE`
gives some.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

import numpy as np
import paddle

from benchmarks.measure import interleaved, paired_ratio
from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino, PaddleInference
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.export.graph import ExportModel, fuse_conv_norm
from ppdet.export.image_input import ImageInput
from ppdet.quantization.min_max import min_max_plan
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Rules
from ppdet.quantization.qdq import qdq_model
from ppdet.quantization.ranges import channel_ranges
from ppdet.quantization.targets import TARGETS
from ppdet.session import open_session

MODELS = (
    "picodet_xs_320_coco_lcnet",
    "picodet_s_320_coco_lcnet",
    "picodet_s_416_coco_lcnet",
    "picodet_m_320_coco_lcnet",
)
RUNTIMES: Mapping[str, Callable[[Path, int], Any]] = {
    "onnx": OnnxRuntime,
    "openvino": OpenVino,
    "paddle": PaddleInference,
}


class WithoutRewrites(ExportModel):
    """The graph with its single filters whole."""

    def fused(self) -> ExportModel:
        return ExportModel(fuse_conv_norm(self.model), self.settings, self.pixel_mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, help="names of configs")
    parser.add_argument("--weights", nargs="+", default=[], metavar="NAME=FILE")
    parser.add_argument("--runtimes", nargs="+", choices=list(RUNTIMES), default=list(RUNTIMES))
    parser.add_argument("--repeats", type=int, default=60)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    weights = dict(each.split("=", 1) for each in args.weights)
    print(f"{'model':26} {'runtime':9} {'way':20} {'ms':>7}   gain  largest difference of outputs")
    for name in args.models:
        for runtime in args.runtimes:
            compare(name, weights.get(name), runtime, args.repeats)


def compare(name: str, weights: str | None, runtime: str, repeats: int) -> None:
    """Print a line for each way: its time, how many times faster than "before" it is, and for the float ones the
    largest difference of scores and of boxes (0 to 1).
    """
    options = [] if weights is None else [f"weights={weights}"]
    session = open_session(name, options, training=False)
    paddle.seed(0)
    model = session.load_model() if weights else session.build_model()
    model.eval()
    size = ImageInput.of(session).size
    image = np.random.default_rng(0).standard_normal((1, 3, *size)).astype("float32")
    settings = ExportSettings(format=runtime, nms=False, boxes="normalized", batch_size=1, fuse_conv_bn=True)
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        with patch("ppdet.export.onnx_rewrites._average_channels_first"):
            files = {"before": _exported(WithoutRewrites(model, settings), size, runtime, folder / "before")}
        files["now"] = _exported(ExportModel(model, settings), size, runtime, folder / "now")
        if runtime != "paddle":
            float_file = _exported(ExportModel(model, settings), size, "onnx", folder / "onnx")
            files |= _int8_files(float_file, image, TARGETS[{"onnx": "onnxruntime"}.get(runtime, runtime)])
        ways = {way: _runner(RUNTIMES[runtime](file, 1), image) for way, file in files.items()}
        expected = [output.copy() for output in ways["before"]()]
        differences = [float(np.abs(a - b).max()) for a, b in zip(expected, ways["now"](), strict=True)]
        seconds = interleaved(ways, repeats, time.process_time)
    for way, values in seconds.items():
        gain, difference = paired_ratio(seconds["before"], values), f"{max(differences):.1e}" if way == "now" else ""
        print(f"{name:26} {runtime:9} {way:20} {1000 * median(values):7.2f} {gain:5.2f}x  {difference}", flush=True)


def _exported(graph: ExportModel, size: tuple[int, int], runtime: str, folder: Path) -> Path:
    folder.mkdir()
    EXPORT_FORMATS[runtime].write(graph, size, {}, folder)
    return EXPORT_FORMATS[runtime].model_file(folder)


def _int8_files(float_file: Path, image: np.ndarray, rules: Rules) -> dict[str, Path]:
    """INT8 models beside the float one, with one scale for a tensor and with one for each channel."""
    import onnx

    network = Network.of(onnx.shape_inference.infer_shapes(onnx.load(str(float_file))))
    ranges = channel_ranges(network, [{"image": image}], 1)
    files = {}
    for way, per_channel in (("int8", False), ("int8, channel scales", True)):
        plan = min_max_plan(network, ranges, replace(rules, channel_quantizers=per_channel))
        files[way] = float_file.with_name(f"int8_{per_channel}.onnx")
        onnx.save(qdq_model(network.model, plan), str(files[way]))
    return files


def _runner(backend: Any, image: np.ndarray) -> Callable[[], list[np.ndarray]]:
    return lambda: backend.run({"image": image})


if __name__ == "__main__":
    main()
