"""`ppdet doctor`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from ppdet.core.errors import UserError
from ppdet.doctor.report import doctor

_OF_BENCH = {"config": "-c", "opt": "-o", "device": "--device", "report": "--report", "seconds": "--seconds"}


def main(args: argparse.Namespace) -> None:
    """Print the report, or that of `--bench`, and exit with its status."""
    if args.bench:
        import_module("ppdet.commands.doctor_bench").main(args)
        return
    for name, flag in _OF_BENCH.items():
        if getattr(args, name) not in (None, []):
            raise UserError(f"{flag}: found without --bench, which it is for; add --bench, or leave {flag} out")
    sys.exit(doctor())  # works without Paddle, whose absence it reports
