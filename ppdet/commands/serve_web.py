"""`ppdet serve-web`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.deploy.errors import say
from ppdet.web.files import fetch_runtime, find_runtime, web_files
from ppdet.web.server import make_server


def main(args: argparse.Namespace) -> None:
    """Serve the page on this machine until Ctrl-C."""
    model = None if args.model is None else model_file(args.model)
    runtime = fetch_runtime() if args.download else find_runtime(args.runtime)
    with make_server(web_files(runtime, model), args.port) as server:
        host, port = server.server_address[:2]
        say(f"http://{host!s}:{port}/ shows {model or 'the page without a model'} on this machine only; Ctrl-C ends it")
        server.serve_forever()


def model_file(export: Path) -> Path:
    """The .onnx file that `export`, a folder or a file, means. Raises UserError if there is none."""
    file = export / "model.onnx" if export.is_dir() else export
    if file.suffix != ".onnx" or not file.is_file():
        found = "no model.onnx in this folder" if export.is_dir() else "no .onnx file"
        raise UserError(f"{export}: found {found}; expected one of ppdet export --format onnx, or its folder")
    return file
