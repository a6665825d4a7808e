"""How evaluation runs a model: on CPUs as a graph that Paddle Inference optimises."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ppdet.core.settings import ExportSettings
from ppdet.engine.export.graph import ExportModel, fuse_conv_norm
from ppdet.engine.export.paddle_format import load_graph, run_graph, save_graph
from ppdet.modeling import PicoDet

logger = logging.getLogger(__name__)

# image [B, 3, H, W], scale_factor [B, 2] -> bbox [M, 6], bbox_num [B] as PicoDet.predict gives them
Predictor = Callable[[paddle.Tensor, paddle.Tensor], tuple[np.ndarray, np.ndarray]]

_WORTH_A_GRAPH = 12  # images; making the graph takes as long as running about so many without it


def make_predictor(model: PicoDet, images: int) -> Predictor:
    """The fastest way to detect on about so many images on the current device; puts `model` in evaluation mode."""
    model.eval()
    if images >= _WORTH_A_GRAPH and paddle.device.get_device() == "cpu":
        return GraphPredictor(model)
    return lambda image, scale_factor: predict(model, image, scale_factor)


def predict(model: PicoDet, image: paddle.Tensor, scale_factor: paddle.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A Predictor that runs the model as it is."""
    with paddle.no_grad():
        bbox, bbox_num = model.predict(model(image), scale_factor)
    return bbox.numpy().reshape(-1, 6), bbox_num.numpy()


class GraphPredictor:
    """A Predictor for CPUs: batch norms folded, oneDNN, all cores.

    A graph holds for one image size. The first batch's gets one; batches of other sizes, which only readers with
    keep_ratio make, run through the model.
    """

    def __init__(self, model: PicoDet) -> None:
        self._model = model
        self._size: tuple[int, int] | None = None
        self._graph: Any = None

    def __call__(self, image: paddle.Tensor, scale_factor: paddle.Tensor) -> tuple[np.ndarray, np.ndarray]:
        size = tuple(image.shape[2:])
        if self._size is None:
            start = time.perf_counter()
            self._graph, self._size = _graph_of(self._model, size), size
            logger.info("inference graph made in %.3f s", time.perf_counter() - start)
        if size != self._size:
            return predict(self._model, image, scale_factor)
        bbox, bbox_num = run_graph(self._graph, [image.numpy(), scale_factor.numpy()])
        return bbox.reshape(-1, 6), bbox_num


def _graph_of(model: PicoDet, size: tuple[int, int]) -> Any:
    with tempfile.TemporaryDirectory(prefix="ppdet-") as folder:
        save_graph(ExportModel(fuse_conv_norm(model), ExportSettings()), size, Path(folder))
        return load_graph(Path(folder))
