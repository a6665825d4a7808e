"""`ppdet serve`."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.deploy.libraries import prepare_libraries
from ppdet.deploy.options import as_path
from ppdet.utils.lazy import LazyModule
from ppdet.web.files import HEADERS, MEDIA_TYPES, find_runtime, web_files

_server: Any = LazyModule("ppdet.server.start")  # needs the extra `server`
EXTRA = ("fastapi", "fastapi_offline", "uvicorn", "httptools", "prometheus_client", "python_multipart")


def main(args: argparse.Namespace) -> None:
    """Serve exported models until SIGTERM or Ctrl-C; SIGHUP loads them again."""
    if absent := [name for name in EXTRA if importlib.util.find_spec(name) is None]:
        raise UserError(f"ppdet serve: {absent[0]} is not installed; pip install 'ppdet-picodet[server]'")
    prepare_libraries()
    models = named_models(args.model)
    _server.start(models, args, (page_files(), HEADERS, MEDIA_TYPES))


def page_files(runtime: Path | None = None) -> dict[str, Path]:
    """The files of the page that detects in the browser, without a model; none if onnxruntime-web is not there.

    runtime: as of `find_runtime`.
    """
    try:
        return web_files(find_runtime(runtime))
    except UserError:
        return {}


def named_models(given: Sequence[str]) -> dict[str, Path]:
    """The models, each given as NAME=PATH or PATH, by their names. Raises UserError if two have the same name."""
    models: dict[str, Path] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if not equals or "/" in name:
            path = as_path(text)
            name = path.resolve().parent.name if path.is_file() else path.resolve().name
        else:
            path = as_path(rest or ".")
        if not name or name in models:
            problem = f"{name} is there twice" if name else "has no name"
            raise UserError(f"--model: {text}: {problem}; give each model a name of its own, as NAME=PATH")
        models[name] = path
    return models
