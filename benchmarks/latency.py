"""Time of the network in each runtime, one thread, beside the graph without rewrites.  python3 benchmarks/latency.py

Exports each model as it is now, and as it is without `split_filters` and `_average_channels_first`, and runs the files
in turn in one process. Times are processor time, which other programs on the machine disturb less; the gain is the
median of paired ratios. Pin it
to one core: `taskset -c 1 python3 benchmarks/latency.py`. Weights: random, unless `--weights NAME=FILE` gives some.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
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
    print(f"{'model':28} {'runtime':9} {'before':>8} {'now':>8}  ms  gain   largest difference of outputs")
    for name in args.models:
        for runtime in args.runtimes:
            compare(name, weights.get(name), runtime, args.repeats)


def compare(name: str, weights: str | None, runtime: str, repeats: int) -> None:
    """Print a line: both times, their ratio, and the largest difference of scores and of boxes (0 to 1)."""
    options = [] if weights is None else [f"weights={weights}"]
    session = open_session(name, options, training=False)
    paddle.seed(0)
    model = session.load_model() if weights else session.build_model()
    model.eval()
    height, width = ImageInput.of(session).size
    image = np.random.default_rng(0).standard_normal((1, 3, height, width)).astype("float32")
    settings = ExportSettings(format=runtime, nms=False, boxes="normalized", batch_size=1, fuse_conv_bn=True)
    with tempfile.TemporaryDirectory() as temp:
        with patch("ppdet.export.onnx_rewrites._average_channels_first"):
            before_graph = WithoutRewrites(model, settings)
            ways = {"before": _runner(before_graph, (height, width), runtime, Path(temp) / "before", image)}
        ways["now"] = _runner(ExportModel(model, settings), (height, width), runtime, Path(temp) / "now", image)
        difference = max(float(np.abs(a - b).max()) for a, b in zip(*(way() for way in ways.values()), strict=True))
        seconds = interleaved(ways, repeats, time.process_time)
    before, now = (1000 * median(seconds[kind]) for kind in ways)
    gain = paired_ratio(*seconds.values())
    print(f"{name:28} {runtime:9} {before:8.2f} {now:8.2f}     {gain:5.3f}x  {difference:.1e}", flush=True)


def _runner(
    graph: ExportModel, size: tuple[int, int], runtime: str, folder: Path, image: np.ndarray
) -> Callable[[], list[np.ndarray]]:
    """Write the graph to `folder`; returns a function that runs it on the image with one thread."""
    folder.mkdir()
    file_format = EXPORT_FORMATS[runtime]
    file_format.write(graph, size, {}, folder)
    backend = RUNTIMES[runtime](file_format.model_file(folder), 1)
    return lambda: [output.copy() for output in backend.run({"image": image})]


if __name__ == "__main__":
    main()
