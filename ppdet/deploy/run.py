"""Does what the command line asks for: detects in images or a video and writes the results, or measures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .benchmark import BenchmarkCase, measure, table
from .cli import NO_EFFECT
from .detections import Detections
from .detector import Detector
from .errors import DeployError, say
from .files import write_bytes, write_json
from .images import list_images, read_image
from .labels import describe_undrawable
from .outputs import encode_image, result_path
from .postprocess import describe_threshold
from .video import SUFFIX, draw_video, stream_name


def run(args: argparse.Namespace) -> int:
    """Runs the options of cli.py; returns the exit status."""
    _name_options_without_effect(args)
    if args.benchmark and args.slice_infer:
        raise DeployError("--slice_infer: --benchmark measures whole images; leave one of them out")
    for option in ("image", "image_dir"):
        if isinstance(getattr(args, option), str):
            raise DeployError(f"--{option}: found the address {getattr(args, option)}; expected a path; fetch it first")
    detector = Detector(args.model, args.backend, args.threads, args.threshold, "bgr", args.batch_size)
    say(f"{detector.file}: {detector.backend}, {detector.threads} threads, {describe_threshold(detector.threshold)}")
    if args.save_images and not args.benchmark and (warning := describe_undrawable(detector.labels)):
        say(f"warning: {warning}", error=True)
    if args.video_file is not None or args.camera_id is not None:
        return _video(args, detector)

    files = [args.image] if args.image else list_images(args.image_dir)
    if args.benchmark:
        print(table(measure([BenchmarkCase(detector, args.batch_size)], files, repeats=100)))
        return 0
    return _images(args, detector, files)


def _name_options_without_effect(args: argparse.Namespace) -> None:
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
            entries += [{"image_id": i, "file_name": files[i].name, **entry} for entry in found.entries()]
            if args.save_images:
                try:
                    encoded = encode_image(targets[i], found.plot(image))
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
    if args.benchmark:
        raise DeployError("--benchmark: measures images; use --image or --image_dir")
    source = args.camera_id if args.video_file is None else args.video_file
    if isinstance(source, Path):
        target = result_path(args.output_dir, source, (SUFFIX,), SUFFIX)
    else:
        target = args.output_dir / f"{stream_name(source)}{SUFFIX}"
    count = draw_video(
        source, target, lambda video: (_detect(args, detector, [frame])[0].plot(frame) for frame in video.frames)
    )
    say(f"{target}: {count} frames")
    return 0
