"""Options of the commands that run an export."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppdet.deploy.backends.kinds import EVERY_BACKEND, EVERY_FILE
from ppdet.deploy.options import add_switch, as_path, path_or_address, score_or_model


def add_benchmark_options(p: argparse.ArgumentParser) -> None:
    """Add the options of `ppdet benchmark`."""
    models = "exports: folders, or their files, as model.onnx model_int8.onnx"
    p.add_argument("--model", required=True, nargs="+", type=as_path, metavar="PATH", help=models)
    p.add_argument("--backend", nargs="+", default=["auto"], help=EVERY_BACKEND)
    p.add_argument("--threads", nargs="+", type=int, default=[1], metavar="N")
    p.add_argument("--batch_size", nargs="+", type=int, default=[1], metavar="N")
    source = p.add_mutually_exclusive_group()
    source.add_argument("--image", type=as_path, metavar="FILE", help="default: a synthetic JPEG of 640 x 480")
    source.add_argument("--image_dir", type=as_path, metavar="DIR")
    p.add_argument("--repeats", type=int, default=100, metavar="N", help="timed batches (default: %(default)s)")
    p.add_argument("--output", type=as_path, metavar="FILE", help="also write the figures as JSON")


def add_track_options(p: argparse.ArgumentParser) -> None:
    """Add the options of `ppdet track`."""
    p.add_argument("--model", required=True, type=as_path, metavar="PATH", help=EVERY_FILE)
    source = p.add_mutually_exclusive_group(required=True)
    video = "a video, or the address of a stream, as rtsp://camera/stream"
    source.add_argument("--video_file", type=path_or_address, metavar="FILE", help=video)
    source.add_argument("--camera_id", type=int, metavar="N", help="the pictures of a camera, until Ctrl-C")
    p.add_argument("--output_dir", type=as_path, default=Path("output"), metavar="DIR", help="default: %(default)s")
    p.add_argument("--classes", type=_names, metavar="NAMES", help="follow only these, as car,bus (default: all)")
    lowest = (
        "lowest score that begins a track; model: the model's thresholds, 0.5 if it has none (default: %(default)s)"
    )
    p.add_argument("--threshold", type=score_or_model, default="model", metavar="SCORE|model", help=lowest)
    rate = "frames per second for the tracker (default: what the video says)"
    p.add_argument("--frame_rate", type=float, metavar="N", help=rate)
    _add_region_options(p)
    p.add_argument("--backend", default="auto", help=f"{EVERY_BACKEND} (default: %(default)s)")
    p.add_argument("--threads", type=int, metavar="N", help="default: one for each processor core")
    add_switch(p, "--slice_infer", help="detect in tiles, for small objects in large frames")
    tile = "width and height of the tiles (default: 640)"
    p.add_argument("--slice_size", type=int, nargs="+", default=[640], metavar="PIXELS", help=tile)
    overlap = "share of their sides that neighboring tiles have in common (default: 0.25)"
    p.add_argument("--overlap_ratio", type=float, nargs="+", default=[0.25], metavar="SHARE", help=overlap)


def _add_region_options(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group(
        "lines and zones", "In pixels, or all in fractions of the frame. Repeat them for more."
    )
    line = "count what crosses the line from x1,y1 to x2,y2"
    group.add_argument("--line", action="append", default=[], metavar="[NAME=]x1,y1,x2,y2", help=line)
    zone = "count what enters and leaves the zone with these corners"
    group.add_argument("--zone", action="append", default=[], metavar='[NAME=]"x,y x,y x,y"', help=zone)
    file = "lines and zones of a YAML or JSON file: lines: {gate: [x1, y1, x2, y2]}"
    group.add_argument("--regions", type=as_path, metavar="FILE", help=file)
    anchor = "the point of a box that crosses: its center, or the middle of its lower side (default: %(default)s)"
    group.add_argument("--anchor", choices=("center", "bottom"), default="center", help=anchor)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
