"""`ppdet data new`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppdet.data_edit.report import as_text
from ppdet.data_new.machine import find_machine
from ppdet.data_new.new import make_config
from ppdet.data_new.report import next_steps, remarks_of


def new(args: argparse.Namespace) -> None:
    """Write a config for a folder, and print what is in it and how to go on."""
    config = args.output or Path(f"{args.source.resolve().name}.yml")
    made = make_config(args.source, args.model, config, args.weights, args.val, find_machine())
    print(as_text(config, made.parts, remarks_of(made)))
    print(next_steps(config))
