"""Loads the models that `ppdet serve` names, and serves them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2

from ppdet.deploy import Detector
from ppdet.deploy.errors import say
from ppdet.deploy.postprocess import describe_threshold
from ppdet.server.app import make_app
from ppdet.server.batcher import Batcher
from ppdet.server.limits import Limits
from ppdet.server.metrics import Metrics
from ppdet.server.models import Model, Models, close_all, warm_up
from ppdet.server.page import Page
from ppdet.server.run import listen, serve
from ppdet.server.token import read_token


@dataclass(frozen=True)
class Loading:
    """The way in which all models are loaded; see Detector."""

    backend: str = "auto"
    threads: int = 1
    batch_size: int = 4
    threshold: float | Literal["model"] = "model"


_Texts = Mapping[str, str]


def start(files: Mapping[str, Path], args: argparse.Namespace, page: tuple[Mapping[str, Path], _Texts, _Texts]) -> None:
    """Serves the models `files`, by name, until a signal.

    args: of commands/serve_options.py. page: the fields of a Page.
    """
    limits = Limits(int(args.max_body_mb * (1 << 20)), args.max_pixels, args.max_images, args.queue, args.timeout)
    token, sock = read_token(args.token_file), listen(args.host, args.port)
    loading = Loading(args.backend, args.threads, args.batch_size, args.threshold)
    models, metrics = open_models(files, loading, limits)
    cv2.setNumThreads(args.threads)  # each of the threads that detect would start as many as there are cores
    for model in models:
        detector = model.detector
        said = f"{detector.backend}, {detector.threads} threads for an image, {describe_threshold(detector.threshold)}"
        say(f"{model.name}: {detector.file}: {said}", error=True)
    app = make_app(models, metrics, limits, token, Page(*page))
    serve(app, models, metrics, sock, limits.seconds, token is not None)


def open_models(files: Mapping[str, Path], loading: Loading, limits: Limits) -> tuple[Models, Metrics]:
    """The models, and what counts their requests. Raises DeployError if one cannot be loaded or run."""
    metrics = Metrics(lambda: [(model.name, model.batcher.waiting) for model in models])
    models = Models(lambda: load_models(files, loading, limits, metrics))
    return models, metrics


def load_models(files: Mapping[str, Path], loading: Loading, limits: Limits, metrics: Metrics) -> dict[str, Model]:
    """The models by name, each run once. Raises DeployError if that fails for one."""
    loaded: dict[str, Model] = {}
    try:
        for name, path in files.items():
            detector = Detector(
                path, loading.backend, loading.threads, loading.threshold, "bgr", batch_size=loading.batch_size
            )
            warm_up(detector)
            batcher = Batcher(detector, loading.batch_size, limits.queue, metrics.observe_batches(name))
            loaded[name] = Model(name, detector, batcher)
    except BaseException:
        close_all(loaded)  # a server that goes on with the old models would keep their threads
        raise
    return loaded
