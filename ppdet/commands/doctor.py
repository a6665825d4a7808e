"""`ppdet doctor`."""

from __future__ import annotations

import argparse
import sys

from ppdet.doctor.report import doctor


def main(args: argparse.Namespace) -> None:
    """Print the report, and exit with its status."""
    sys.exit(doctor())
