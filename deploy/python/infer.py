"""Detects objects in images, videos or a camera's pictures:  python3 deploy/python/infer.py --model … --image …

Status 0: all done; 1: some images could not be read or written; 2: an option, the model or all of the input is wrong;
130: Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if not __package__:  # started as a script: its folder becomes a package, whatever its name, which may have dots
    folder, __package__ = str(Path(__file__).resolve().parent), "picodet_deploy"
    sys.path[:] = [path for path in sys.path if path != folder]  # its modules are no one else's
    sys.modules[__package__] = ModuleType(__package__)
    sys.modules[__package__].__path__ = [folder]

from .console import guard_output
from .errors import DeployError, say

if TYPE_CHECKING:
    import numpy as np

    from .detections import Detections
    from .detector import Detector

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
        from .detector import Detector  # noqa: F401  # with what it needs
    except ImportError as error:
        print(f"error: {error.name} is not installed; pip install numpy opencv-python-headless pyyaml", file=sys.stderr)
        return 2
    try:
        return _run(args)
    except DeployError as error:
        say(f"error: {error}", error=True)
        return 2
    except KeyboardInterrupt as stop:
        say(": ".join(["interrupted", *map(str, stop.args)]), error=True)
        return 130


def _run(args: argparse.Namespace) -> int:
    from .detector import Detector
    from .labels import describe_undrawable

    _name_what_has_no_effect(args)
    if args.benchmark and args.slice_infer:
        raise DeployError("--slice_infer: --benchmark measures whole images; leave one of them out")
    for option in ("image", "image_dir"):
        if isinstance(getattr(args, option), str):
            raise DeployError(f"--{option}: found the address {getattr(args, option)}; expected a path; fetch it first")
    detector = Detector(args.model, args.backend, args.threads, args.threshold, "bgr", args.batch_size)
    say(f"{detector.file}: {detector.backend}, {detector.threads} threads, threshold {detector.threshold:.2f}")
    if args.save_images and not args.benchmark and (warning := describe_undrawable(detector.labels)):
        say(f"warning: {warning}", error=True)
    if args.video_file is not None or args.camera_id is not None:
        return _video(args, detector)
    from .images import list_images

    files = [args.image] if args.image else list_images(args.image_dir)
    if args.benchmark:
        from .benchmark import Way, measure, table

        print(table(measure([Way(detector, args.batch_size)], files, repeats=100)))
        return 0
    return _images(args, detector, files)


def _name_what_has_no_effect(args: argparse.Namespace) -> None:
    given = {name: getattr(args, name) for name in NO_EFFECT}
    unused = [f"--{name} {value}" for name, value in given.items() if value not in (None, NO_EFFECT[name])]
    if unused:
        say(f"notice: no effect here: {', '.join(unused)}; it runs on the CPU", error=True)


def _detect(args: argparse.Namespace, detector: Detector, images: list[np.ndarray]) -> list[Detections]:
    if not args.slice_infer:
        return detector.detect(images)
    tile, overlap = (args.slice_size[-1], args.slice_size[0]), max(args.overlap_ratio)
    return [detector.detect_sliced(image, tile, overlap) for image in images]


def _images(args: argparse.Namespace, detector: Detector, files: Sequence[Path]) -> int:
    from .draw import draw
    from .images import read_image
    from .outputs import coco_results, encode_image, result_path, write_bytes, write_json

    targets = [result_path(args.output_dir, file) for file in files]
    entries: list[dict[str, Any]] = []
    unread = unwritten = 0
    for start in range(0, len(files), args.batch_size):
        images = {}
        for i in range(start, min(start + args.batch_size, len(files))):
            try:
                images[i] = read_image(files[i])
            except DeployError as error:
                say(f"error: {error}", error=True)
                unread += 1
        for (i, image), found in zip(images.items(), _detect(args, detector, list(images.values())), strict=True):
            entries += coco_results(i, files[i].name, found)
            if args.save_images:
                try:
                    encoded = encode_image(targets[i], draw(image, found))
                except DeployError as error:
                    say(f"error: {error}", error=True)
                    unwritten += 1
                    continue
                write_bytes(targets[i], encoded)
            say(f"{targets[i] if args.save_images else files[i]}: {len(found)} boxes")
    if args.save_results:
        write_json(args.output_dir / "bbox.json", entries)
    for what, count in (("read", unread), ("written", unwritten)):
        if count and len(files) > 1:
            say(f"error: {count} of {len(files)} images could not be {what}", error=True)
    return 0 if not unread + unwritten else 1 if unread + unwritten < len(files) else 2


def _video(args: argparse.Namespace, detector: Detector) -> int:
    from .draw import draw
    from .outputs import result_path
    from .video import SUFFIX, draw_video, stream_name

    if args.benchmark:
        raise DeployError("--benchmark: measures images; use --image or --image_dir")
    source = args.camera_id if args.video_file is None else args.video_file
    if isinstance(source, Path):
        target = result_path(args.output_dir, source, (SUFFIX,), SUFFIX)
    else:
        target = args.output_dir / f"{stream_name(source)}{SUFFIX}"
    count = draw_video(source, target, lambda frame: draw(frame, _detect(args, detector, [frame])[0]))
    say(f"{target}: {count} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
