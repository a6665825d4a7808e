"""`ppdet eval`."""

from __future__ import annotations

import argparse

from ppdet.commands.start import start
from ppdet.evaluation.evaluator import evaluate_to_console


def main(args: argparse.Namespace) -> None:
    """Score the config's model on its EvalDataset."""
    evaluate_to_console(start(args), args.classwise, args.output_eval, args.json_eval)
