"""The section `QAT` of a config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ppdet.core.errors import UserError
from ppdet.core.ranges import NotNegative, Positive
from ppdet.core.registry import Component, register
from ppdet.distillation.losses import BoxDistillation, ClassDistillation, DistillationLoss

Target = Literal["onnxruntime", "openvino", "tflite", "rknn", "ncnn", "mnn", "generic"]


@register
class QAT:
    """A training in INT8 (quantization-aware training), which continues that of a float model.

    It starts from pretrain_weights after post-training quantization. Convolutions compute as the INT8 kernels of the
    target do, and the steps between their integers are trained as well. The float model is the teacher, unless there
    is a section Distillation. `ppdet quantize` writes INT8 files from the trained weights.

    Args:
        target: the runtime or device whose rules of INT8 the training keeps.
        calib_images: number of training images from which the first ranges of values are measured.
        losses: the differences from the float model that the training makes small, each once, without those of
            features; null: ClassDistillation and BoxDistillation; an empty list: no teacher.
        label_weight: factor of the losses of the labels beside those. At 0 the model learns only to do in INT8 what it
            did before, for which a few images are enough.
    """

    ignored_options: ClassVar[dict[str, str]] = {
        "quant_config": "set target, whose rules decide",
        "print_model": "",
    }

    def __init__(
        self,
        target: Target = "onnxruntime",
        calib_images: Positive = 50,
        losses: Sequence[Component[DistillationLoss]] | None = None,
        label_weight: NotNegative = 0.0,
    ) -> None:
        losses = [ClassDistillation(), BoxDistillation()] if losses is None else losses
        names = [type(loss).__name__ for loss in losses]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"QAT.losses: {twice} is there twice; name each loss once")
        if features := next((type(loss).__name__ for loss in losses if loss.needs_features), None):
            raise UserError(
                f"QAT.losses: found {features}; expected losses of predictions: the float model has these features "
                "already; leave it out"
            )
        if not losses and not label_weight:
            raise UserError("QAT.label_weight: found 0 without QAT.losses; expected a loss to learn from; set it to 1")
        self.target = target
        self.calib_images = calib_images
        self.losses = losses
        self.label_weight = label_weight
