"""`ppdet doctor --bench`."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from functools import partial

from ppdet.commands.start import start
from ppdet.core.errors import UserError
from ppdet.deploy.files import atomic_write
from ppdet.doctor_bench.bench import bench
from ppdet.doctor_bench.plan import MODELS, Plan
from ppdet.runtime import distributed
from ppdet.runtime.device import available_devices

_SECONDS = 15.0  # the twelve measurements take five minutes, with the starts of processes


def main(args: argparse.Namespace) -> None:
    """Print the report, write it to `--report` as well, and exit with status 1 if something is broken."""
    seconds = _SECONDS if args.seconds is None else args.seconds
    _check(args, seconds)
    session = start(args, training=True)
    if distributed.world_size() > 1:
        raise UserError("--bench: found several processes of a launcher; start it without, it starts its own")
    logging.disable(logging.INFO)  # what follows on stdout is the report
    device = session.settings.device if session.settings.device != "auto" else session.device
    plan = Plan(args.config, args.opt, device, available_devices(), seconds, MODELS)
    text, works = bench(plan, partial(print, flush=True))
    if args.report:
        with atomic_write(args.report) as file:
            file.write(text)
    sys.exit(0 if works else 1)


def _check(args: argparse.Namespace, seconds: float) -> None:
    """Raise UserError about an option that would only be noticed after minutes."""
    if not args.config:
        raise UserError("--bench: found no config; expected one that trains on this machine; add -c <file or name>")
    if not (math.isfinite(seconds) and seconds > 0):
        raise UserError(f"--seconds: found {seconds:g}; expected a number above 0, as 15")
    if args.report and args.report.is_dir():
        raise UserError(f"--report: {args.report} is a folder; expected a file, as {args.report / 'bench.txt'}")
