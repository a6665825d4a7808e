"""Runs a model for evaluation: on CPUs as a graph that Paddle Inference optimizes, else one batch ahead of the host."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import paddle
from paddle import nn

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.runtimes import PaddleInference
from ppdet.export.graph import ExportModel, fuse_conv_norm
from ppdet.export.paddle_format import program_file, recorded, write_graph
from ppdet.modeling import PicoDet
from ppdet.modeling.fake_quant import has_fake_quant
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.utils.files import temporary_folder

logger = logging.getLogger(__name__)

Inputs = tuple[paddle.Tensor, paddle.Tensor]  # image [B, 3, H, W], scale_factor [B, 2]
Outputs = tuple[np.ndarray, np.ndarray]  # bbox [M, 6], bbox_num [B], as those of PicoDet.predict
Predictor = Callable[[paddle.Tensor, paddle.Tensor], Outputs]

_WORTH_A_GRAPH = 12  # images; making the graph takes as long as running about 12 images without it


def predict_all(
    model: PicoDet, inputs: Iterable[Inputs], num_images: int, graphs: Graphs | None = None
) -> Iterator[Outputs]:
    """Runs the model on all inputs, in the fastest way that the current device has.

    Args:
        model: the detector, which is put in evaluation mode.
        inputs: batches.
        num_images: about how many images they are.
        graphs: those that earlier evaluations of such a model used.
    """
    model.eval()
    if paddle.device.get_device() != "cpu":
        return _overlapped(model, inputs)
    predictor = make_predictor(model, num_images, graphs)
    return (predictor(*batch) for batch in inputs)


def make_predictor(model: PicoDet, num_images: int, graphs: Graphs | None = None) -> Predictor:
    """Returns the fastest predictor for about `num_images` images on the CPU; the arguments are `predict_all`'s."""
    model.eval()
    worth_a_graph = num_images >= _WORTH_A_GRAPH and not has_fake_quant(model)  # which no runtime makes faster
    return GraphPredictor(model, graphs) if worth_a_graph else partial(predict, model)


def _overlapped(model: PicoDet, inputs: Iterable[Inputs]) -> Iterator[Outputs]:
    """The device works on a batch while the host finishes the one before it."""
    running: Inputs | None = None
    for image, scale_factor in inputs:
        finish = _fetch(model, *running) if running else None
        running = _launch(model, image, scale_factor)
        if finish:
            yield finish()
    if running:
        yield _fetch(model, *running)()


@paddle.no_grad()
def _launch(model: PicoDet, image: paddle.Tensor, scale_factor: paddle.Tensor) -> Inputs:
    """Returns what PicoDet.decode does; the device may still be computing it."""
    return model.decode(model(image), scale_factor)


@paddle.no_grad()
def _fetch(model: PicoDet, boxes: paddle.Tensor, scores: paddle.Tensor) -> Callable[[], Outputs]:
    """Waits for the device. Returns what is left to do on the host: NMS, if the device has none."""
    select = model.head.select
    boxes, scores = select.place(boxes, scores)
    if boxes.place.is_cpu_place():
        return lambda: _arrays(*select(boxes, scores))
    found = _arrays(*select(boxes, scores))
    return lambda: found


def predict(model: PicoDet, image: paddle.Tensor, scale_factor: paddle.Tensor) -> Outputs:
    """Run the model as it is: a Predictor if `model` is bound."""
    with paddle.no_grad():
        return _arrays(*model.predict(model(image), scale_factor))


def _arrays(bbox: paddle.Tensor, bbox_num: paddle.Tensor) -> Outputs:
    return bbox.numpy().reshape(-1, 6), bbox_num.numpy()


class Graphs:
    """Makes the inference graphs of a model whose weights change.

    Paddle never frees what it records, so the network is recorded once. It does not free a loaded graph either, so at
    most `max_graphs` are made.
    """

    def __init__(self, max_graphs: int = 300) -> None:
        self._left = max_graphs
        self._size: tuple[int, int] | None = None
        self._network: nn.Layer | None = None  # with batch norms folded

    def make(self, model: PicoDet, size: tuple[int, int]) -> PaddleInference | None:
        """Returns a graph of `model` for images of `size` (height, width), or None; the log says why."""
        start = time.perf_counter()
        self._left -= 1
        if self._left < 0:
            if self._left == -1:
                logger.info("no more inference graphs, whose memory is never freed; evaluations are slower from now on")
            return None
        network = ExportModel(fuse_conv_norm(model), ExportSettings())
        if self._network is None or self._size != size or _shapes(network) != _shapes(self._network):
            self._network, self._size = recorded(network, size), size
        else:
            self._network.set_state_dict(network.state_dict())
        try:
            with temporary_folder() as folder:
                write_graph(self._network, folder)
                graph = PaddleInference(program_file(folder), cpu_threads())
        except UserError as error:
            logger.warning("%s; going on without an inference graph, which is slower", error)
            return None
        logger.info("inference graph made in %.3f s", time.perf_counter() - start)
        return graph


def _shapes(network: nn.Layer) -> dict[str, list[int]]:
    return {name: value.shape for name, value in network.state_dict().items()}


class GraphPredictor:
    """A Predictor for CPUs: batch norms folded, oneDNN, all cores.

    A graph is made for one image size, that of the first batch. Batches of other sizes, which only readers with
    keep_ratio make, run through the model.
    """

    def __init__(self, model: PicoDet, graphs: Graphs | None = None) -> None:
        self._model, self._graphs = model, graphs or Graphs()
        self._size: tuple[int, int] | None = None
        self._graph: PaddleInference | None = None

    def __call__(self, image: paddle.Tensor, scale_factor: paddle.Tensor) -> Outputs:
        size = tuple(image.shape[2:])
        if self._size is None:
            self._graph, self._size = self._graphs.make(self._model, size), size
        if self._graph is None or size != self._size:
            return predict(self._model, image, scale_factor)
        bbox, bbox_num = self._graph.run({"image": image.numpy(), "scale_factor": scale_factor.numpy()})
        return bbox.reshape(-1, 6), bbox_num
