"""How evaluation runs a model: on CPUs as a graph that Paddle Inference optimises."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
from paddle import nn

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.export.graph import ExportModel, fuse_conv_norm
from ppdet.export.paddle_format import load_graph, recorded, run_graph, write_graph
from ppdet.modeling import PicoDet
from ppdet.utils.files import temporary_folder

logger = logging.getLogger(__name__)

# image [B, 3, H, W], scale_factor [B, 2] -> bbox [M, 6], bbox_num [B] as PicoDet.predict gives them
Predictor = Callable[[paddle.Tensor, paddle.Tensor], tuple[np.ndarray, np.ndarray]]

_WORTH_A_GRAPH = 12  # images; making the graph takes as long as running about so many without it


def make_predictor(model: PicoDet, images: int, graphs: Graphs | None = None) -> Predictor:
    """The fastest way to detect on about so many images on the current device; puts `model` in evaluation mode.

    graphs: what earlier evaluations of such a model used
    """
    model.eval()
    if images >= _WORTH_A_GRAPH and paddle.device.get_device() == "cpu":
        return GraphPredictor(model, graphs)
    return lambda image, scale_factor: predict(model, image, scale_factor)


def predict(model: PicoDet, image: paddle.Tensor, scale_factor: paddle.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A Predictor that runs the model as it is."""
    with paddle.no_grad():
        bbox, bbox_num = model.predict(model(image), scale_factor)
    return bbox.numpy().reshape(-1, 6), bbox_num.numpy()


class Graphs:
    """Makes the graphs of a model whose weights change.

    Paddle keeps what it records for ever, so the network is recorded once. Loading a graph costs memory that does not
    come back either, so there are at most `most`, then none.
    """

    def __init__(self, most: int = 300) -> None:
        self._left = most
        self._size: tuple[int, int] | None = None
        self._network: nn.Layer | None = None  # with batch norms folded

    def make(self, model: PicoDet, size: tuple[int, int]) -> Any:
        """The graph of `model` for images of `size`; None where there is none, which is in the log."""
        start = time.perf_counter()
        self._left -= 1
        if self._left < 0:
            if self._left == -1:
                logger.info("no more inference graphs, which take memory for ever; evaluations are slower from here on")
            return None
        network = ExportModel(fuse_conv_norm(model), ExportSettings())
        if self._network is None or self._size != size or _shapes(network) != _shapes(self._network):
            self._network, self._size = recorded(network, size), size
        else:
            self._network.set_state_dict(network.state_dict())
        try:
            with temporary_folder() as folder:
                write_graph(self._network, folder)
                graph = load_graph(folder)
        except UserError as error:
            logger.warning("%s; going on without an inference graph, which is slower", error)
            return None
        logger.info("inference graph made in %.3f s", time.perf_counter() - start)
        return graph


def _shapes(network: nn.Layer) -> dict[str, list[int]]:
    return {name: value.shape for name, value in network.state_dict().items()}


class GraphPredictor:
    """A Predictor for CPUs: batch norms folded, oneDNN, all cores.

    A graph holds for one image size. The first batch's gets one; batches of other sizes, which only readers with
    keep_ratio make, run through the model.
    """

    def __init__(self, model: PicoDet, graphs: Graphs | None = None) -> None:
        self._model, self._graphs = model, graphs or Graphs()
        self._size: tuple[int, int] | None = None
        self._graph: Any = None

    def __call__(self, image: paddle.Tensor, scale_factor: paddle.Tensor) -> tuple[np.ndarray, np.ndarray]:
        size = tuple(image.shape[2:])
        if self._size is None:
            self._graph, self._size = self._graphs.make(self._model, size), size
        if self._graph is None or size != self._size:
            return predict(self._model, image, scale_factor)
        bbox, bbox_num = run_graph(self._graph, [image.numpy(), scale_factor.numpy()])
        return bbox.reshape(-1, 6), bbox_num
