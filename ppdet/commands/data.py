"""`ppdet data`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ppdet.commands.data_new import new
from ppdet.commands.data_view import show, stats
from ppdet.core.errors import UserError
from ppdet.data_check.check import check_splits, with_pixels
from ppdet.data_check.fix import write_fixed
from ppdet.data_check.read import read_splits
from ppdet.data_check.report import as_text, write_report
from ppdet.data_edit import report
from ppdet.data_edit.convert import write
from ppdet.data_edit.groups import as_pattern
from ppdet.data_edit.merge import merge
from ppdet.data_edit.parts import Part
from ppdet.data_edit.read import read_parts
from ppdet.data_edit.remap import parse_classes, remap, split_names
from ppdet.data_edit.split import split_part
from ppdet.data_edit.subset import some, with_classes
from ppdet.deploy.errors import printable
from ppdet.utils.lazy import LazyModule
from ppdet.utils.new_folder import require_new

_search = LazyModule("ppdet.commands.data_suspects")  # imports Paddle


def main(args: argparse.Namespace) -> None:
    """Run the action `args.action`."""
    {"new": new, "check": _check, "stats": stats, "show": show, "suspects": _suspects}.get(args.action, _edit)(args)


def _edit(args: argparse.Namespace) -> None:
    """Write a new folder, and print what is in it."""
    for source in args.source if isinstance(args.source, list) else [args.source]:
        require_new(args.output, source, "--output")
    parts, remarks = _ACTIONS[args.action](args)
    to = args.to if args.action == "convert" else "coco"
    remarks += write(args.output, parts, to)
    print(report.as_text(args.output, parts, remarks))


def _check(args: argparse.Namespace) -> None:
    """Check a data set, print what is wrong with it, and exit with status 1 if there are errors."""
    if args.fix:
        require_new(args.fix, args.source, "--fix")
    splits = with_pixels(read_splits(args.source, args.split, args.size))
    findings = check_splits(splits)
    if args.json:
        write_report(args.json, splits, findings)
    print(as_text(splits, findings))
    if args.fix:
        changes = write_fixed(args.fix, splits)
        listed = ", ".join(f"{count} {what}" for what, count in changes.items())
        print(f"\n{printable(str(args.fix))}: written, {listed}; check it as well for what no rule can correct")
    sys.exit(any(finding.severity == "error" for finding in findings))


def _suspects(args: argparse.Namespace) -> None:
    _search.main(args)


_Result = tuple[Sequence[Part], list[str]]  # with remarks


def _split(args: argparse.Namespace) -> _Result:
    shares = {"val": args.val} | ({"test": args.test} if args.test else {})
    rest = 1 - sum(shares.values())
    if rest <= 0:
        raise UserError("--val, --test: together take all images; expected shares that leave some for training")
    pattern = None if args.by_group is None else as_pattern(args.by_group)
    return split_part(read_parts(args.source, args.split), {"train": rest} | shares, pattern, args.seed)


def _convert(args: argparse.Namespace) -> _Result:
    return read_parts(args.source, args.split), []


def _merge(args: argparse.Namespace) -> _Result:
    return merge(args.source, [read_parts(source, args.split) for source in args.source])


def _remap(args: argparse.Namespace) -> _Result:
    new = parse_classes(args.classes)
    return remap(read_parts(args.source, args.split), new)


def _subset(args: argparse.Namespace) -> _Result:
    if args.number is None and args.classes is None:
        raise UserError("--number, --classes: neither is given; say which images to keep")
    parts: Sequence[Part] = read_parts(args.source, args.split)
    if args.classes is not None:
        parts = with_classes(parts, split_names(args.classes))
    return [part if args.number is None else some(part, args.number, args.seed) for part in parts], []


_ACTIONS = {"split": _split, "convert": _convert, "merge": _merge, "remap": _remap, "subset": _subset}
