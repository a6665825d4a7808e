"""Write a detector in INT8: python3 tools/post_quant.py -c <config> -o weights=<file, name or URL>"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.core.cli import as_path, base_parser, run


def parser() -> argparse.ArgumentParser:
    p = base_parser(__doc__)
    p.add_argument("--output_dir", type=as_path, default=Path("output_inference"), metavar="DIR",
                   help="the models go to DIR/<config name>/ (default: %(default)s)")  # fmt: skip
    p.add_argument("--format", default="onnx", metavar="NAMES", help="onnx, openvino, or both with a comma "
                   "(default: %(default)s)")  # fmt: skip
    p.add_argument("--calib_images", type=int, default=50, metavar="N",
                   help="images of TrainDataset that show the ranges of values (default: %(default)s)")  # fmt: skip
    p.add_argument("--tolerance", type=float, default=0.02, metavar="X",
                   help="layers that alone change outputs by more stay in float (default: %(default)s)")  # fmt: skip
    return p


def main(args: argparse.Namespace) -> None:
    from ppdet.quantization.quantize import QuantizeSettings, quantize
    from ppdet.session import setup

    formats = [name.strip() for name in args.format.split(",")]
    settings = QuantizeSettings(formats, args.calib_images, args.tolerance)
    quantize(setup(args), args.output_dir, settings)


if __name__ == "__main__":
    run(main, parser())
