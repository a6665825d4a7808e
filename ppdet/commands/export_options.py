"""The options of `ppdet export` besides those of every command."""

from __future__ import annotations

import argparse

from ppdet.deploy.options import as_path

# Each stands for the key export.<name> of the config.
_EXPORT_OPTIONS = [
    (
        "format",
        "NAMES",
        "paddle, onnx, openvino, ncnn, mnn, tflite, rknn, paddle_lite; several with commas (default: paddle)",
    ),
    (
        "nms",
        "true|false|none",
        "NMS inside the graph (default: true); none: the model needs none, as those with PicoHeadE2E (their default), "
        "and the ONNX file has only operators of small devices",
    ),
    ("post_process", "true|false", "false: the outputs of the head's convolutions as they are"),
    ("layout", "flat|4d", "of those outputs: [B, h * w, C] (default) or [B, C, h, w]"),
    (
        "boxes",
        "image|input|normalized",
        "pixels of the original image, which takes the input scale_factor (default, but input with --nms none); "
        "pixels of the network's input, or 0..1 of it, which make the image the only input",
    ),
    ("fuse_normalize", "true|false", "the graph takes pixels of 0..255"),
    ("input_dtype", "float32|uint8", "of those pixels (default: float32)"),
    ("fuse_conv_bn", "true|false", "fold the norms into the convolutions (ONNX and OpenVINO: always)"),
    ("batch_size", "N", "a fixed number of images (default: any)"),
    ("dynamic_size", "true|false", "take images of any height and width"),
    ("opset", "N", "of the ONNX file (default: 14)"),
    ("fp16", "true|false", "store weights in half the space (all formats but Paddle's)"),
    ("tool_env", "DIR", "a virtual environment that has the converters of vendors' formats (default: this one)"),
]


def add_export_options(p: argparse.ArgumentParser) -> None:
    """Add the options for what is exported, and how."""
    for name, values, text in _EXPORT_OPTIONS:
        p.add_argument(f"--{name}", type=as_path if values == "DIR" else str, metavar=values, help=text)
    p.add_argument("--measure", action="store_true", help="also score each format on EvalDataset, in its own runtime")
