"""`ppdet quantize`."""

from __future__ import annotations

import argparse

from ppdet.commands.start import start
from ppdet.quantization.quantize import QuantizeSettings, quantize


def main(args: argparse.Namespace) -> None:
    """Write the config's model in INT8."""
    formats = [name.strip() for name in args.format.split(",")]
    settings = QuantizeSettings(formats, args.calib_images, args.tolerance, args.report)
    quantize(start(args), args.output_dir, settings)
