"""Options of the commands that serve an export."""

from __future__ import annotations

import argparse

from ppdet.deploy.backends.kinds import EVERY_BACKEND
from ppdet.deploy.options import as_path, score_or_model


def add_serve_options(p: argparse.ArgumentParser) -> None:
    """Add the options of `ppdet serve`."""
    models = "exports: folders or model files; their names are those of the folders, unless they are given"
    p.add_argument("--model", required=True, nargs="+", metavar="[NAME=]PATH", help=models)
    p.add_argument("--host", default="127.0.0.1", help="0.0.0.0: for other machines too (default: %(default)s)")
    p.add_argument("--port", type=int, default=8000, help="0: any that is free (default: %(default)s)")
    token = "requests need `Authorization: Bearer <content of FILE>`; default: the variable PPDET_SERVE_TOKEN, if set"
    p.add_argument("--token_file", type=as_path, metavar="FILE", help=token)
    p.add_argument("--backend", default="auto", help=f"{EVERY_BACKEND} (default: %(default)s)")
    threads = "processor cores for one image; as many are computed at a time as there are cores (default: %(default)s)"
    p.add_argument("--threads", type=int, default=1, metavar="N", help=threads)
    batch = "images that wait and are computed together, if the export takes several (default: %(default)s)"
    p.add_argument("--batch_size", type=int, default=4, metavar="N", help=batch)
    lowest = "lowest score, unless a request says another (default: %(default)s, its own)"
    p.add_argument("--threshold", type=score_or_model, default="model", metavar="SCORE|model", help=lowest)
    limits = p.add_argument_group("limits; what exceeds them is refused")
    limits.add_argument("--queue", type=int, default=64, metavar="N", help="waiting images (default: %(default)s)")
    limits.add_argument("--max_images", type=int, default=16, metavar="N", help="of a request (default: %(default)s)")
    limits.add_argument(
        "--max_body_mb", type=float, default=20, metavar="MB", help="of a request (default: %(default)s)"
    )
    limits.add_argument(
        "--max_pixels", type=int, default=50_000_000, metavar="N", help="of an image (default: %(default)s)"
    )
    limits.add_argument("--timeout", type=float, default=30, metavar="S", help="of a request (default: %(default)s)")


def add_serve_web_options(p: argparse.ArgumentParser) -> None:
    """Add the options of `ppdet serve-web`."""
    model = "an export: its folder, or an .onnx file; default: the page asks for one"
    p.add_argument("model", nargs="?", type=as_path, metavar="EXPORT", help=model)
    p.add_argument("--port", type=int, default=8000, metavar="N", help="0: any free one (default: %(default)s)")
    runtime = p.add_mutually_exclusive_group()
    where = "the folder of onnxruntime-web; default: node_modules here, or what --download fetched"
    runtime.add_argument("--runtime", type=as_path, metavar="DIR", help=where)
    runtime.add_argument("--download", action="store_true", help="fetch onnxruntime-web (33 MB) unless it is there")
