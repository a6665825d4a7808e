"""Detects objects in images, videos or a camera's pictures:  python3 deploy/python/infer.py --model … --image …

Status 0: all done; 1: some images could not be read or written; 2: an option, the model or all of the input is wrong;
130: Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .console import guard_output
from .errors import DeployError, say

# PaddleDetection's flags without a counterpart here, and the value that says what is done anyway, if there is one
NO_EFFECT = {
    "device": "cpu", "run_mode": "paddle", "use_gpu": "false", "enable_mkldnn": "true",
    "enable_mkldnn_bfloat16": "false", "trt_min_shape": None, "trt_max_shape": None, "trt_opt_shape": None,
    "trt_calib_mode": "false", "collect_trt_shape_info": "false", "tuned_trt_shape_file": None,
    "combine_method": "nms", "match_threshold": None, "match_metric": None,
}  # fmt: skip

# Quiet C++ sides (the same is said here in one line), a second guard behind image_files.MAX_PIXELS, and threads that
# sleep while they wait
_ENVIRONMENT = {
    "GLOG_minloglevel": "2",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_LOG_LEVEL": "OFF",
    "OPENCV_IO_MAX_IMAGE_PIXELS": "180000000",
    "OMP_WAIT_POLICY": "passive",
}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", "--model_dir", required=True, type=_path, metavar="PATH",
                   help="the folder of an export, or a file of it (.onnx, .xml, .json, .pdmodel)")  # fmt: skip
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", "--image_file", type=_source, metavar="FILE")
    source.add_argument("--image_dir", type=_source, metavar="DIR")
    source.add_argument("--video_file", type=_source, metavar="FILE", help="also an address, as rtsp://camera/stream")
    source.add_argument("--camera_id", type=int, metavar="N", help="its pictures until Ctrl-C")
    p.add_argument("--output_dir", type=_path, default=Path("output"), metavar="DIR", help="default: %(default)s")
    p.add_argument("--threshold", type=float, help="least score that counts (default: the model's, 0.5)")
    p.add_argument("--backend", default="auto", help="openvino, onnxruntime, paddle or auto, the fastest that is there")
    p.add_argument("--threads", "--cpu_threads", type=int, metavar="N", help="default: one for each processor")
    p.add_argument("--batch_size", type=int, default=1, metavar="N", help="images of --image_dir at a time")
    _switch(p, ["--slice_infer"], "detect in tiles, for small objects in large images")
    p.add_argument(
        "--slice_size", type=int, nargs="+", default=[640], metavar="PIXELS", help="width and height of tiles"
    )
    p.add_argument(
        "--overlap_ratio", type=float, nargs="+", default=[0.25], metavar="SHARE", help="of neighbouring tiles"
    )
    _switch(p, ["--save_images"], "write the images with their boxes (default: true)", default=True)
    _switch(p, ["--save_results"], "also write bbox.json, in COCO's results layout")
    _switch(p, ["--benchmark", "--run_benchmark"], "only measure the time of each stage on the images")
    group = p.add_argument_group("of PaddleDetection, accepted without effect: all runs on the CPU")
    for name in NO_EFFECT:
        group.add_argument(f"--{name}", nargs="?", type=str.lower, const="true", metavar="VALUE")
    return p


def _switch(p: argparse.ArgumentParser, flags: Sequence[str], help: str, default: bool = False) -> None:
    """Given as `--flag` or in PaddleDetection's way, `--flag=True`."""
    p.add_argument(*flags, nargs="?", type=_truth, const=True, default=default, metavar="true|false", help=help)


def _source(text: str) -> Path | str:
    """A path, or an address, which a path would spoil."""
    return text if "://" in text else _path(text)


def _path(text: str) -> Path:
    """`~` is the home folder, also where the shell leaves it, as in --output_dir=~/x."""
    if not text:  # Path("") is the current folder; a script's variable was empty
        raise argparse.ArgumentTypeError("expected a path, found nothing")
    return Path(os.path.expanduser(text))


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, found {text!r}")
    return text.lower() == "true"


def main(argv: Sequence[str] | None = None) -> int:
    """The status that the process ends with."""
    guard_output()
    args = parser().parse_args(argv)
    for library, quiet in _ENVIRONMENT.items():
        os.environ.setdefault(library, quiet)
    try:
        run = import_module(".run", __package__).run  # with OpenCV, which --help need not wait for
    except ImportError as error:
        print(f"error: {error.name} is not installed; pip install numpy opencv-python-headless pyyaml", file=sys.stderr)
        return 2
    try:
        return int(run(args))
    except DeployError as error:
        say(f"error: {error}", error=True)
        return 2
    except KeyboardInterrupt as stop:
        say(": ".join(["interrupted", *map(str, stop.args)]), error=True)
        return 130
