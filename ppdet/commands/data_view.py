"""`ppdet data stats` and `ppdet data show`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppdet.core.cli import prepare_paddle
from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.core.shipped_configs import find_config
from ppdet.data_check.read import read_splits
from ppdet.data_view.plots import require_matplotlib, write_plots
from ppdet.data_view.sheets import write_sheets
from ppdet.data_view.statistics import as_text, statistics, write_json
from ppdet.deploy.errors import printable
from ppdet.utils.lazy import LazyModule
from ppdet.utils.new_folder import new_folder, require_new

_batches = LazyModule("ppdet.data_view.batches")  # imports Paddle


def stats(args: argparse.Namespace) -> None:
    """Print the numbers of a data set, and plot them if asked for."""
    if args.plot:
        require_matplotlib(args.plot)
    found = [statistics(split) for split in read_splits(args.source, args.split, args.size)]
    if args.json:
        write_json(args.json, found)
    if args.plot:
        write_plots(args.plot, found)
    print(as_text(found))


def show(args: argparse.Namespace) -> None:
    """Write pictures of a data set, and of its training batches if it is named by a config."""
    require_new(args.output, args.source, "--output")
    splits = read_splits(args.source, args.split)
    if not any(split.images for split in splits):
        raise UserError(f"{args.source}: lists no images; check the annotations")
    with new_folder(args.output, "--output") as folder:
        written = write_sheets(folder, splits, args.seed)
        if _has_batches(args.source) and any(split.name == "train" for split in splits):
            prepare_paddle(args.debug)
            written += _batches.write_batches(args.source, folder)
    print(printable(f"{args.output}: written, {len(written)} pages: {', '.join(written)}"))


def _has_batches(source: Path) -> bool:
    """Whether it is a config that says how training reads the images."""
    return not source.is_dir() and "TrainReader" in load_config(find_config(source))
