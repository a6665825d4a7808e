"""`ppdet data`."""

from __future__ import annotations

import argparse
import logging
import sys

from ppdet.data_check.check import check_splits, with_pixels
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_check.fix import write_fixed
from ppdet.data_check.read import read_split
from ppdet.data_check.report import as_text, write_report
from ppdet.deploy.errors import printable
from ppdet.utils.new_folder import require_new


def main(args: argparse.Namespace) -> None:
    """Check a data set, print what is wrong with it, and exit with status 1 if there are errors."""
    if args.fix:
        require_new(args.fix, args.source, "--fix")
    datasets, network = datasets_of(args.source, args.split, args.size)
    logging.disable(logging.WARNING)  # the checks say the same as the readers
    try:
        splits = [read_split(name, dataset, network) for name, dataset in datasets.items()]
    finally:
        logging.disable(logging.NOTSET)
    splits = with_pixels(splits)
    findings = check_splits(splits)
    if args.json:
        write_report(args.json, splits, findings)
    print(as_text(splits, findings))
    if args.fix:
        changes = write_fixed(args.fix, splits)
        listed = ", ".join(f"{count} {what}" for what, count in changes.items())
        print(f"\n{printable(str(args.fix))}: written, {listed}; check it as well for what no rule can correct")
    sys.exit(any(finding.severity == "error" for finding in findings))
