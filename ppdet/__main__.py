"""Commands of the package itself: `python3 -m ppdet doctor`. Training and the rest are in tools/."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from ppdet.deploy.console import guard_output
from ppdet.doctor.report import doctor


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as the tools do."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    guard_output()
    parser = _Parser(prog="python3 -m ppdet", description="Commands of ppdet; training and the rest are in tools/.")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    about = (
        "print what this machine has, test it for a few seconds, and say what to mend (status 1: something is broken)"
    )
    commands.add_parser("doctor", help=about, description=about)
    parser.parse_args(argv)
    return doctor()


if __name__ == "__main__":
    sys.exit(main())
