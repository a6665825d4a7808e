"""Detector.detect() against the published file in plain ONNX Runtime:  python3 benchmarks/deploy.py --model <export>

Plain: cv2.imread, cvtColor, resize, (x / 255 - mean) / std in NumPy float32, transpose, session.run, threshold. Both
from a JPEG of 640 x 480 to boxes, with one thread, in turn. Our model has to be an export of the same weights.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PPDET_SHARED", ROOT.parent / "shared"))
sys.path[0] = str(ROOT)  # not beside it: this file has the name of the package that it measures

import cv2
import numpy as np

from benchmarks.measure import interleaved, report
from ppdet.deploy import Detector

MEAN, STD = np.array([0.485, 0.456, 0.406], "float32"), np.array([0.229, 0.224, 0.225], "float32")


def plain(model: Path, image_file: str, threads: int, threshold: float) -> Callable[[], np.ndarray]:
    """The usual way; gives rows (class, score, x1, y1, x2, y2)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def detect() -> np.ndarray:
        image = cv2.cvtColor(cv2.imread(image_file), cv2.COLOR_BGR2RGB)
        scale = np.array([[320 / image.shape[0], 320 / image.shape[1]]], "float32")
        image = cv2.resize(image, (320, 320), interpolation=cv2.INTER_CUBIC)
        image = (image.astype("float32") / 255 - MEAN) / STD
        feeds = {"image": np.ascontiguousarray(image.transpose(2, 0, 1)[None]), "scale_factor": scale}
        rows = session.run(None, feeds)[0]
        return rows[rows[:, 1] >= threshold]

    return detect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, nargs="+", required=True, help="exports of the same weights")
    parser.add_argument("--backend", nargs="+", default=["auto"])
    parser.add_argument("--published", type=Path, default=SHARED / "weights/picodet_xs_320_lcnet_postprocessed.onnx")
    parser.add_argument("--image", type=Path, default=SHARED / "data/coco_tiny/val2017/000000017627.jpg")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=100)
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    image = str(args.image)
    ways = {"plain onnxruntime": plain(args.published, image, args.threads, 0.5)}
    for model in args.model:
        for backend in args.backend:
            detector = Detector(model, backend, args.threads, 0.5)
            ways[f"{detector.backend} {model.name}"[:28]] = lambda detector=detector: detector.detect(image)
    height, width = cv2.imread(image).shape[:2]
    print(f"{args.image.name}: {width} x {height}, {args.image.stat().st_size} bytes; {args.threads} threads")
    print("boxes found:", ", ".join(str(len(way())) for way in ways.values()))
    report("ms", {name: [1000 * s for s in times] for name, times in interleaved(ways, args.repeats).items()})


if __name__ == "__main__":
    main()
