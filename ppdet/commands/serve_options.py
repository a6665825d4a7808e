"""Options of the commands that serve an export."""

from __future__ import annotations

import argparse

from ppdet.deploy.options import as_path


def add_serve_web_options(p: argparse.ArgumentParser) -> None:
    """Add the options of `ppdet serve-web`."""
    model = "an export: its folder, or an .onnx file; default: the page asks for one"
    p.add_argument("model", nargs="?", type=as_path, metavar="EXPORT", help=model)
    p.add_argument("--port", type=int, default=8000, metavar="N", help="0: any free one (default: %(default)s)")
    runtime = p.add_mutually_exclusive_group()
    where = "the folder of onnxruntime-web; default: node_modules here, or what --download fetched"
    runtime.add_argument("--runtime", type=as_path, metavar="DIR", help=where)
    runtime.add_argument("--download", action="store_true", help="fetch onnxruntime-web (33 MB) unless it is there")
