"""`ppdet quantize`."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ppdet.commands.int8_training import Int8Training, train_in_int8, training_target
from ppdet.commands.start import start
from ppdet.core.errors import UserError
from ppdet.quantization.quantize import QuantizeSettings, quantize


def main(args: argparse.Namespace) -> None:
    """Write the config's model in INT8."""
    formats = [name.strip() for name in args.format.split(",")]
    images = QuantizeSettings.images if args.calib_images is None else args.calib_images
    tool_env = args.tool_env and str(args.tool_env)
    settings = QuantizeSettings(
        formats, images, args.tolerance, args.report, tool_env, args.target, args.float_depthwise
    )
    training = Int8Training.parse(args.qat) if args.qat is not None else None
    if training and args.tolerance is not None:
        raise UserError("--tolerance: found with --qat, which trains all convolutions in INT8; leave one of them out")
    session = start(args, training=training is not None)
    if training is None:
        quantize(session, args.output_dir, settings)
        return
    training = replace(training, calib_images=args.calib_images, target=training_target(session, settings))
    quantize(train_in_int8(session, training), args.output_dir, settings, compared=session)
