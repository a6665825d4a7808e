"""`ppdet eval`."""

from __future__ import annotations

import argparse
import shlex
import sys

from ppdet.commands.start import start
from ppdet.evaluation.console import evaluate_to_console


def main(args: argparse.Namespace) -> None:
    """Score the config's model on its EvalDataset."""
    command = shlex.join(sys.argv)
    report = args.report, command, None if args.compare is None else str(args.compare)
    evaluate_to_console(start(args), args.classwise, args.output_eval, args.json_eval, *report)
