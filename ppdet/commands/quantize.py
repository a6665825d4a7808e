"""`ppdet quantize`."""

from __future__ import annotations

import argparse

from ppdet.commands.int8_training import Int8Training, train_in_int8
from ppdet.commands.start import start
from ppdet.core.errors import UserError
from ppdet.quantization.quantize import QuantizeSettings, quantize


def main(args: argparse.Namespace) -> None:
    """Write the config's model in INT8."""
    formats = [name.strip() for name in args.format.split(",")]
    tool_env = args.tool_env and str(args.tool_env)
    settings = QuantizeSettings(formats, args.calib_images, args.tolerance, args.report, tool_env, args.target)
    training = Int8Training.parse(args.qat) if args.qat is not None else None
    if training and settings.target not in (None, "onnxruntime", "openvino"):
        raise UserError(f"--target: found {settings.target} with --qat; expected onnxruntime or openvino")
    session = start(args, training=training is not None)
    if training is None:
        quantize(session, args.output_dir, settings)
    else:
        quantize(train_in_int8(session, training), args.output_dir, settings, compared=session)
