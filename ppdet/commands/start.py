"""The beginning of every command that runs a config's model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from ppdet.core.slim import slim_overrides
from ppdet.runtime import distributed
from ppdet.runtime.cpu_tuning import tune_process
from ppdet.runtime.signals import end_on_sigterm
from ppdet.session import Session, open_session
from ppdet.utils.logging import setup_logging


def start(args: argparse.Namespace, extra: Sequence[str] = (), training: bool = False) -> Session:
    """Set up the process (ranks, signals, log) and open the session that `args` ask for.

    Args:
        args: the command's arguments.
        extra: overrides that the command's own flags stand for.
        training: whether the command trains.
    """
    distributed.init()  # waits for other machines in C++, where a handler in Python would never be called
    end_on_sigterm()
    setup_logging(rank=distributed.rank(), debug=args.debug)
    device = [f"device={args.device}"] if args.device else []
    remap = ["remap_classes=true"] if getattr(args, "remap_classes", False) else []
    file = getattr(args, "thresholds_file", None)
    thresholds = [f"export.thresholds={json.dumps(str(file))}"] if file else []
    with distributed.together():
        overlay = getattr(args, "slim_config", None)
        slim = slim_overrides(overlay, args.command) if overlay else []
        session = open_session(args.config, [*args.opt, *slim, *device, *remap, *thresholds, *extra], training)
    if session.device == "cpu":
        tune_process()
    return session
