"""A trained detector as a graph that Paddle Inference optimises and runs: for export, and for evaluation on CPUs."""

from __future__ import annotations

import contextlib
import copy
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.static import InputSpec

from ppdet.core.settings import ExportSettings
from ppdet.engine.cpu_tuning import cpu_threads
from ppdet.modeling import PicoDet
from ppdet.modeling.layers import ConvNormAct
from ppdet.modeling.picodet import to_original_pixels

logger = logging.getLogger(__name__)

# image [B, 3, H, W], scale_factor [B, 2] -> bbox [M, 6], bbox_num [B] as PicoDet.predict gives them
Predictor = Callable[[paddle.Tensor, paddle.Tensor], tuple[np.ndarray, np.ndarray]]

_WORTH_A_GRAPH = 12  # images; making the graph takes as long as running about so many without it


class ExportModel(nn.Layer):
    """Composes the network and as much post-processing as asked for.

    image [B, 3, H, W] float32, scale_factor [B, 2] float32 ->
        nms                bbox [M, 6], bbox_num [B]
        post_process only  boxes [B, L, 4] in original-image pixels, scores [B, C, L]
        neither            each level's scores [B, h * w, C], then each level's box distributions
                           [B, h * w, 4 * (reg_max + 1)]; takes no scale_factor
    """

    def __init__(self, model: PicoDet, settings: ExportSettings):
        super().__init__()
        self.model = model
        self.raw = settings.benchmark or not settings.post_process
        self.nms = settings.nms

    def forward(self, image: paddle.Tensor, scale_factor: paddle.Tensor | None = None) -> Sequence[paddle.Tensor]:
        return self._outputs(image, scale_factor)

    # Nothing in the network depends on the data's values, so that running it once as it is records the whole graph;
    # without the mark Paddle rewrites the source of everything that is called from here.
    @paddle.jit.not_to_static
    def _outputs(self, image: paddle.Tensor, scale_factor: paddle.Tensor | None) -> Sequence[paddle.Tensor]:
        outputs = self.model(image)
        head = self.model.head
        if self.raw:
            counts = list(outputs.grid.counts)
            return [*head.probabilities(outputs.cls).split(counts, axis=1), *outputs.reg.split(counts, axis=1)]
        if self.nms:
            return self.model.predict(outputs, scale_factor)
        scores, boxes = head.decode(outputs)
        return to_original_pixels(boxes, scale_factor), scores


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


def fuse_conv_norm(model: PicoDet) -> PicoDet:
    """A copy with each batch norm folded into the convolution before it, in evaluation mode."""
    model = copy.deepcopy(model)
    for layer in model.sublayers():
        if not isinstance(layer, ConvNormAct):
            continue
        conv, norm = layer.conv, layer.norm
        scale = norm.weight.numpy() / np.sqrt(norm._variance.numpy() + np.float32(norm._epsilon))
        conv.bias = conv.create_parameter([len(scale)], is_bias=True)
        conv.bias.set_value(norm.bias.numpy() - norm._mean.numpy() * scale)
        conv.weight.set_value(conv.weight.numpy() * scale.reshape(-1, 1, 1, 1))
        layer.norm = nn.Identity()
    model.eval()
    return model


def save_graph(model: ExportModel, size: Sequence[int], folder: Path) -> None:
    """Write `model` (in evaluation mode) for images of `size` (height, width), in batches of any length, as model.*"""
    model.eval()
    specs = [InputSpec([None, 3, *size], "float32", "image")]
    if not model.raw:
        specs.append(InputSpec([None, 2], "float32", "scale_factor"))
    with _no_call_stacks():
        paddle.jit.save(paddle.jit.to_static(model, input_spec=specs, full_graph=True), f"{folder}/model")


def load_graph(folder: Path) -> Any:
    """Paddle Inference's predictor for the model in `folder`, on the CPU."""
    from paddle import inference

    program = next(file for name in ("model.json", "model.pdmodel") if (file := folder / name).is_file())
    config = inference.Config(str(program), str(folder / "model.pdiparams"))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(cpu_threads())
    if program.suffix == ".pdmodel":  # the new format, of Paddle 3, comes without this pass
        config.enable_memory_optim()
    return inference.create_predictor(config)


def run_graph(graph: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    for name, value in zip(graph.get_input_names(), inputs, strict=True):
        graph.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(value))
    graph.run()
    return [graph.get_output_handle(name).copy_to_cpu() for name in graph.get_output_names()]


def run_inference(folder: Path, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Outputs of the Paddle Inference model in `folder` on the CPU."""
    return run_graph(load_graph(folder), inputs)


@contextlib.contextmanager
def _no_call_stacks() -> Iterator[None]:
    """Paddle stores the Python call stack of every operator it records, which is half the time of tracing."""
    limit = getattr(sys, "tracebacklimit", None)
    sys.tracebacklimit = 0
    try:
        yield
    finally:
        if limit is None:
            del sys.tracebacklimit
        else:
            sys.tracebacklimit = limit
