"""The plan of a graph from weights that a training in INT8 wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ppdet.export.fold_normalize import fold_normalize, pixel_std
from ppdet.export.graph import ExportModel
from ppdet.export.image_input import ImageInput
from ppdet.modeling import PicoDet
from ppdet.modeling.fake_quant import Int8Layout, attach_fake_quant
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Plan
from ppdet.quantization.qat.layout import trained_plan
from ppdet.quantization.qat.match import layer_names
from ppdet.quantization.targets import TARGETS
from ppdet.session import Session
from ppdet.utils.download import resolve_weights
from ppdet.weights.int8_layout import stored_layout
from ppdet.weights.load import load_weights


def load_fake_quant(session: Session) -> PicoDet | None:
    """Returns the detector with the fake quantization that the config's `weights` hold; None if they hold none.

    It is in evaluation mode, and computes what its INT8 files compute.
    """
    file: Path = resolve_weights(session.settings.weights or "")
    layout: Int8Layout | None = stored_layout(file)
    if layout is None:
        return None
    model = session.build_model()
    attach_fake_quant(model, layout)
    load_weights(model, file)
    model.eval()
    return model


def plan_of_weights(session: Session, network: Network) -> Plan | None:
    """Returns the plan that the config's `weights` hold for their exported graph; None if they hold none."""
    model = load_fake_quant(session)
    if model is None:
        return None
    exported, normalize = session.load_model(), ImageInput.of(session).normalize
    if normalize is not None:
        exported = fold_normalize(exported, normalize)[0]
    names = layer_names(network.convs, ExportModel(exported, session.settings.export).fused().model)
    graph = {node: (conv.input, conv.output) for node, conv in network.convs.items()}
    layout: Int8Layout = model.fake_quant.layout
    gates = any(conv.gate is not None for conv in layout.convs.values())
    plan = trained_plan(model, replace(TARGETS[layout.target], integer_gates=gates), graph, names)
    return plan if normalize is None else _of_pixels(plan, pixel_std(normalize))


def _of_pixels(plan: Plan, std: np.ndarray) -> Plan:
    """Returns the plan of a graph whose first convolution reads pixels, minus their mean, and divides by `std` [3]."""
    read = next(iter(plan.convs.values())).input
    quantizer = plan.tensors[read]
    of_pixels = replace(quantizer, channel_scales=quantizer.channel_scales * std)
    return replace(plan, tensors={**plan.tensors, read: of_pixels})
