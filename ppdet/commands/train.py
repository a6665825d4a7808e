"""`ppdet train`."""

from __future__ import annotations

import argparse
import signal

from ppdet.commands.start import start
from ppdet.quantization.qat.start import write_int8_start
from ppdet.training.callbacks import Tolerant, VisualDL
from ppdet.training.train import train


def main(args: argparse.Namespace) -> None:
    """Train the config's model."""
    flags = {"amp": args.amp or None, "to_static": args.to_static or None, "seed": args.seed}
    session = start(args, [f"{name}={value}" for name, value in flags.items() if value is not None], training=True)
    callbacks = [Tolerant(VisualDL(args.vdl_log_dir), "--use_vdl")] if args.use_vdl else []
    train(session, args.eval, args.resume, callbacks, (signal.SIGINT, signal.SIGTERM), write_int8_start)
