"""`ppdet train`."""

from __future__ import annotations

import argparse
import logging

from ppdet.commands.start import start
from ppdet.training.callbacks import VisualDL
from ppdet.training.loop import fit
from ppdet.training.run_folder import only_training
from ppdet.training.setup import build_trainer

logger = logging.getLogger(__name__)


def main(args: argparse.Namespace) -> None:
    flags = {"amp": args.amp or None, "to_static": args.to_static or None, "seed": args.seed}
    session = start(args, [f"{name}={value}" for name, value in flags.items() if value is not None])
    callbacks = [VisualDL(args.vdl_log_dir)] if args.use_vdl else []
    with only_training(session.output_dir):
        trainer, progress = build_trainer(session, evaluate=args.eval, resume=args.resume, callbacks=callbacks)
        if args.resume == "auto" and progress.epoch >= trainer.settings.epoch:  # so that it can be restarted for ever
            logger.info("%s: all %d epochs are done", trainer.output_dir, trainer.settings.epoch)
            return
        fit(trainer, progress)
