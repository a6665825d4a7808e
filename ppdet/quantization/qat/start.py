"""The weights that a training in INT8 starts from: those of the float model after post-training quantization."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import paddle

from ppdet.core.errors import UserError
from ppdet.deploy.files import atomic_path
from ppdet.distillation.qat import QAT
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.export.graph import ExportModel
from ppdet.export.image_input import ImageInput
from ppdet.export.infer_config import infer_config
from ppdet.export.onnx_format import save_onnx
from ppdet.export.resolve import resolved
from ppdet.modeling.fake_quant import attach_fake_quant
from ppdet.quantization.calibration import calibration_feeds, calibration_set, require_variety
from ppdet.quantization.exported_network import with_export
from ppdet.quantization.integer_gates import integer_gates
from ppdet.quantization.network import Network
from ppdet.quantization.post_training import calibrated
from ppdet.quantization.qat.layout import layout_of, set_weights
from ppdet.quantization.qat.match import layer_names
from ppdet.quantization.targets import TARGETS
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session, class_categories
from ppdet.utils.files import temporary_folder
from ppdet.weights.int8_layout import int8_entry
from ppdet.weights.published_names import to_published
from ppdet.weights.trained_classes import classes_entry

logger = logging.getLogger(__name__)


def write_int8_start(session: Session, file: Path) -> None:
    """Quantize the float model `pretrain_weights` of a config with a section QAT, and write it as a weights file.

    Raises:
        UserError: there are no such weights, or images cannot be read.
    """
    if not session.settings.pretrain_weights:
        raise UserError("pretrain_weights: required with QAT, the weights of the trained float model")
    section: QAT = session.builder.build("QAT")
    logger.info("QAT: post-training quantization of %s", session.settings.pretrain_weights)
    session = _of_float_model(session)
    trained = session.trained_classes()
    images = calibration_set(session, section.calib_images, trained)
    model = session.load_model()
    graph = ExportModel(model, session.settings.export)
    network = _network(session, graph)
    feeds = calibration_feeds(session, images, FeedBuilder.of(session, network.model))
    require_variety(feeds)
    plan = calibrated(network, feeds, TARGETS[section.target], cpu_threads())
    names = layer_names(network.convs, graph.fused().model)
    gates = integer_gates(network.model.graph, plan)
    attach_fake_quant(model, layout_of(plan, names, gates, section.target, model))
    set_weights(model, plan, names)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    classes = classes_entry(trained.categories if trained else ())
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temp:
        paddle.save(to_published(model, state) | classes | int8_entry(model), str(temp))


def _of_float_model(session: Session) -> Session:
    """The session whose `weights` are the float model, and whose exported graph takes what the network takes."""
    float_model = replace(session, settings=replace(session.settings, weights=session.settings.pretrain_weights))
    plain: dict[str, Any] = {"format": "onnx", "nms": False, "fp16": False, "dynamic_size": False, "thresholds": None}
    plain |= {"fuse_normalize": False, "input_dtype": "float32", "post_process": True}
    return resolved(with_export(float_model, **plain))


def _network(session: Session, graph: ExportModel) -> Network:
    import onnx

    config = infer_config(session, graph.model, class_categories(session))
    with temporary_folder() as folder:
        save_onnx(graph, ImageInput.of(session).size, config, folder / "model.onnx")
        return Network.of(onnx.load(str(folder / "model.onnx")))
