"""What the tools share on the command line. Imports nothing heavy, so that `--help` and typos answer at once."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence

from ppdet.core.errors import UserError


def base_parser(description: str) -> argparse.ArgumentParser:
    """A parser with `-c/--config`, `-o/--opt` and `--debug`, to which a tool adds its own options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="config file (YAML)")
    parser.add_argument(
        "-o",
        "--opt",
        action="extend",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="override config values, as in -o LearningRate.base_lr=0.08 epoch=50",
    )
    parser.add_argument("--debug", action="store_true", help="show the full trace of an error")
    return parser


def run(
    main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser, argv: Sequence[str] | None = None
) -> None:
    """Parse `argv` (default: the command line) and call `main`.

    A UserError ends the process with one line on stderr and status 2; with `--debug` the full trace
    comes before it. Ctrl-C ends it with status 130.
    """
    args = parser.parse_args(argv)
    try:
        main(args)
    except UserError as error:
        if args.debug:
            traceback.print_exc()
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
