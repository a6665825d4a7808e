"""`ppdet data suspects`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppdet.commands.start import start
from ppdet.suspects.search import search
from ppdet.utils.new_folder import require_new


def main(args: argparse.Namespace) -> None:
    """Find labels of a dataset of the config that are probably wrong, with its `weights`."""
    session = start(args)
    folder = args.output or session.output_dir / f"suspects_{args.split}"
    require_new(folder, Path(args.config), "--output")
    search(session, args.split, folder, args.sure, args.pictures)
