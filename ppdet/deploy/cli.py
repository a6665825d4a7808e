"""Detects objects in images, videos or a camera's pictures:  python3 deploy/python/infer.py --model … --image …

Status 0: all done; 1: some images could not be read or written; 2: an option, the model or all of the input is wrong;
130: Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .backends.kinds import EVERY_BACKEND, EVERY_FILE
from .console import guard_output
from .errors import DeployError, say
from .libraries import prepare_libraries
from .options import add_switch, as_path, path_or_address, score_or_model

# PaddleDetection's flags that do nothing here, each with the value that asks for what is done anyway, if there is one
NO_EFFECT = {
    "device": "cpu",
    "run_mode": "paddle",
    "use_gpu": "false",
    "enable_mkldnn": "true",
    "enable_mkldnn_bfloat16": "false",
    "trt_min_shape": None,
    "trt_max_shape": None,
    "trt_opt_shape": None,
    "trt_calib_mode": "false",
    "collect_trt_shape_info": "false",
    "tuned_trt_shape_file": None,
    "combine_method": "nms",
    "match_threshold": None,
    "match_metric": None,
}


def parser() -> argparse.ArgumentParser:
    """The options: ours, and PaddleDetection's names for them."""
    started = f"python3 -m {__package__}" if Path(sys.argv[0]).name == "__main__.py" else None
    p = argparse.ArgumentParser(started, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", "--model_dir", required=True, type=as_path, metavar="PATH", help=EVERY_FILE)
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", "--image_file", type=path_or_address, metavar="FILE", help="one image")
    source.add_argument("--image_dir", type=path_or_address, metavar="DIR", help="all images of a folder")
    video = "a video, or the address of a stream, as rtsp://camera/stream"
    source.add_argument("--video_file", type=path_or_address, metavar="FILE", help=video)
    source.add_argument("--camera_id", type=int, metavar="N", help="the pictures of a camera, until Ctrl-C")
    p.add_argument("--output_dir", type=as_path, default=Path("output"), metavar="DIR", help="default: %(default)s")
    lowest = "lowest score that counts; model: the model's thresholds, 0.5 if it has none (default: %(default)s)"
    p.add_argument("--threshold", type=score_or_model, default="model", metavar="SCORE|model", help=lowest)
    p.add_argument("--backend", default="auto", help=f"{EVERY_BACKEND} (default: %(default)s)")
    p.add_argument("--threads", "--cpu_threads", type=int, metavar="N", help="default: one for each processor core")
    batch = "images of --image_dir that are computed together (default: %(default)s)"
    p.add_argument("--batch_size", type=int, default=1, metavar="N", help=batch)
    add_switch(p, "--slice_infer", help="detect in tiles, for small objects in large images")
    tile = "width and height of the tiles (default: 640)"
    p.add_argument("--slice_size", type=int, nargs="+", default=[640], metavar="PIXELS", help=tile)
    overlap = "share of their sides that neighboring tiles have in common (default: 0.25)"
    p.add_argument("--overlap_ratio", type=float, nargs="+", default=[0.25], metavar="SHARE", help=overlap)
    add_switch(p, "--save_images", help="write the images with their boxes (default: true)", default=True)
    add_switch(p, "--save_results", help="also write bbox.json, in COCO's results layout")
    add_switch(p, "--benchmark", "--run_benchmark", help="only measure the time of each stage on the images")
    group = p.add_argument_group("PaddleDetection's options that have no effect here: everything runs on the CPU")
    for name in NO_EFFECT:
        group.add_argument(f"--{name}", nargs="?", type=str.lower, const="true", metavar="VALUE")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (default: the process's own); returns the exit status."""
    guard_output()
    args = parser().parse_args(argv)
    prepare_libraries()
    try:
        run = import_module(".run", __package__).run  # it imports OpenCV, which --help need not wait for
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
