"""Train a detector: python3 tools/train.py -c configs/picodet/picodet_xs_320_coco_lcnet.yml --eval"""

import argparse
import logging
import sys
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.core.cli import add_switch, as_path, base_parser, run

logger = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    p = base_parser(__doc__)
    p.add_argument("--eval", action="store_true", help="evaluate at every checkpoint and keep the best")
    where = "checkpoint, or a folder: its newest; auto: the output folder's, a new run where it has none"
    p.add_argument("-r", "--resume", type=_auto_or_path, metavar="PATH|auto", help=where)
    p.add_argument("--amp", action="store_true", help="mixed precision, where the device has it")
    p.add_argument("--to_static", action="store_true", help="the network as a static graph; see docs/performance.md")
    p.add_argument("--seed", type=int, help="of everything random; default: a new one, which is logged")
    add_switch(p, "--use_vdl", help="write scalars for VisualDL as well")
    p.add_argument(
        "--vdl_log_dir", type=as_path, default=Path("vdl_log_dir"), metavar="DIR", help="default: %(default)s"
    )
    return p


def _auto_or_path(text: str) -> Path | Literal["auto"]:
    return "auto" if text == "auto" else as_path(text)


def main(args: argparse.Namespace) -> None:
    from ppdet.session import setup
    from ppdet.training.callbacks import VisualDL
    from ppdet.training.loop import fit
    from ppdet.training.run_folder import only_training
    from ppdet.training.setup import build_trainer

    flags = (
        ["amp=true"] * args.amp + ["to_static=true"] * args.to_static + [f"seed={args.seed}"] * (args.seed is not None)
    )
    callbacks = [VisualDL(args.vdl_log_dir)] if args.use_vdl else []
    prepared = setup(args, flags)
    with only_training(prepared.output_dir):
        trainer, progress = build_trainer(prepared, evaluate=args.eval, resume=args.resume, callbacks=callbacks)
        if args.resume == "auto" and progress.epoch >= trainer.settings.epoch:  # so that it can be restarted for ever
            logger.info("%s: all %d epochs are done", trainer.output_dir, trainer.settings.epoch)
            return
        fit(trainer, progress)


if __name__ == "__main__":
    run(main, parser())
