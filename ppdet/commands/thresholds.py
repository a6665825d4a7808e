"""`ppdet thresholds`."""

from __future__ import annotations

import argparse

from ppdet.commands.start import start
from ppdet.core.errors import UserError
from ppdet.evaluation.thresholds import thresholds_to_file
from ppdet.metrics.analysis import Goal


def main(args: argparse.Namespace) -> None:
    """Choose a score threshold for each class on EvalDataset, and write them to a file."""
    thresholds_to_file(start(args), _goal(args), args.iou, args.detections, args.output)


def _goal(args: argparse.Namespace) -> Goal:
    for name, value in (("precision", args.precision), ("recall", args.recall)):
        if value is not None:
            if not 0 < value <= 1:
                raise UserError(f"--{name}: found {value:g}; expected more than 0 and at most 1")
            return Goal("precision" if name == "precision" else "recall", value)
    return Goal("f1")
