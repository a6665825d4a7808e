"""`ppdet infer`."""

from __future__ import annotations

import argparse
import sys

from ppdet.commands.start import start
from ppdet.evaluation.infer import infer


def main(args: argparse.Namespace) -> None:
    """Draw boxes on images; exit with status 1 if some could not be read or written."""
    source = args.infer_img or args.infer_dir
    if not infer(start(args), source, args.output_dir, args.draw_threshold, args.save_results):
        sys.exit(1)
