"""Write a detector for other programs: python3 tools/export_model.py -c <config> -o weights=<file, name or URL>"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.core.cli import as_path, base_parser, run

# each stands for the key export.<name> of the config
OPTIONS = {
    "format": ("NAMES", "paddle, onnx, openvino; several with commas (default: paddle)"),
    "nms": ("true|false", "NMS inside the graph (default: true)"),
    "post_process": ("true|false", "false: the outputs of the head's convolutions as they are"),
    "layout": ("flat|4d", "of those outputs: [B, h * w, C] (default) or [B, C, h, w]"),
    "boxes": ("image|input|normalized", "pixels of the original image, which takes the input scale_factor (default); "
              "pixels of the network's input, or 0..1 of it, which make the image the only input"),
    "fuse_normalize": ("true|false", "the graph takes pixels of 0..255"),
    "input_dtype": ("float32|uint8", "of those pixels (default: float32)"),
    "fuse_conv_bn": ("true|false", "fold the norms into the convolutions (ONNX and OpenVINO: always)"),
    "batch_size": ("N", "a fixed number of images (default: any)"),
    "dynamic_size": ("true|false", "take images of any height and width"),
    "opset": ("N", "of the ONNX file (default: 14)"),
    "fp16": ("true|false", "store weights in half the space (ONNX, OpenVINO)"),
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    p = base_parser(__doc__)
    p.add_argument("--output_dir", type=as_path, default=Path("output_inference"), metavar="DIR",
                   help="the model goes to DIR/<config name>/ (default: %(default)s)")  # fmt: skip
    for name, (values, text) in OPTIONS.items():
        p.add_argument(f"--{name}", metavar=values, help=text)
    return p


def main(args: argparse.Namespace) -> None:
    from ppdet.export.export import export
    from ppdet.session import setup

    given = {name: value for name in OPTIONS if (value := getattr(args, name)) is not None}
    export(setup(args, [f"export.{name}={value}" for name, value in given.items()]), args.output_dir)


if __name__ == "__main__":
    run(main, parser())
