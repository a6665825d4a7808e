"""The rules of INT8 of the runtimes and devices that a model can be written for."""

from __future__ import annotations

from ppdet.quantization.plan import Rules

# TFLite, RKNN and MNN have one scale for an activation; the converters of TFLite and RKNN choose it
TARGETS = {
    "onnxruntime": Rules(integer_gates=True),
    "openvino": Rules(outputs=False),
    "tflite": Rules(channel_quantizers=False, gate="relu6"),
    "rknn": Rules(channel_quantizers=False, gate="clip"),
    "ncnn": Rules(symmetric=True, outputs=False),
    "mnn": Rules(channel_quantizers=False, gate="relu6"),
    "generic": Rules(symmetric=True, channel_quantizers=False, outputs=False),
}
