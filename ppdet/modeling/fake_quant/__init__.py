"""Fake quantization: a network computes in float32 what its INT8 version computes in integers, and can be trained."""

from ppdet.modeling.fake_quant.attach import attach_fake_quant, has_fake_quant
from ppdet.modeling.fake_quant.layout import Activation, Int8Conv, Int8Layout
from ppdet.modeling.fake_quant.quantizer import PADDLE_KERNELS, Kernels

__all__ = [
    "PADDLE_KERNELS",
    "Activation",
    "Int8Conv",
    "Int8Layout",
    "Kernels",
    "attach_fake_quant",
    "has_fake_quant",
]
