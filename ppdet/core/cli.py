"""Options, parsing and errors of all commands. Imports nothing heavy, so that `--help` and typos answer at once."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

from ppdet.core.config import load_config
from ppdet.core.errors import Interrupted, UserError, forbidden, out_of_memory
from ppdet.deploy.console import guard_output
from ppdet.deploy.errors import printable
from ppdet.deploy.libraries import prepare_libraries
from ppdet.deploy.options import as_path

# warnings that Paddle gives at every start
_PADDLE_CHATTER = ("No ccache found", "When training, we now always track global mean", "The Attr.force_cpu.")


class Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, as every other mistake."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {printable(message)}; {self.prog} --help lists the options\n")


CONFIG_HELP = "config file (YAML), or the name of one that comes with ppdet: see ppdet config --list"


def add_run_options(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add what every command that runs a config's model takes: `-c/--config`, `-o/--opt`, `--device`, `--debug`."""
    parser.add_argument("-c", "--config", required=required, metavar="FILE", help=CONFIG_HELP)
    add_override_option(parser)
    parser.add_argument("--device", metavar="KIND", help="auto, cpu, gpu, gpu:1, iluvatar_gpu, …: the config's device")
    parser.add_argument("--debug", action="store_true", help="show the full trace of an error")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run, and `--remap_classes` for the commands whose datasets have to fit the weights."""
    add_run_options(parser)
    about = "match the classes of datasets with those of the weights by name, instead of refusing another list"
    parser.add_argument("--remap_classes", action="store_true", help=about)


def add_slim_option(parser: argparse.ArgumentParser) -> None:
    """Add `--slim_config`."""
    overlay = "an overlay of PaddleDetection's configs/slim; those that change the network are refused"
    parser.add_argument("--slim_config", type=as_path, metavar="FILE", help=overlay)


def add_override_option(parser: argparse.ArgumentParser) -> None:
    """Add `-o/--opt`."""
    overrides = "override config values, as in -o LearningRate.base_lr=0.08 epoch=50"
    parser.add_argument("-o", "--opt", action="extend", nargs="*", default=[], metavar="KEY=VALUE", help=overrides)


def run(
    main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser, argv: Sequence[str] | None = None
) -> None:
    """Parse `argv` (default: the command line) and call `main`.

    A UserError ends the process with one line on stderr and status 2, with `--debug` after the full trace; Ctrl-C
    ends it with status 130, SIGTERM with 143.
    """
    guard_output()
    args = parser.parse_args(argv)
    debug = getattr(args, "debug", False)
    warnings.formatwarning = _format_warning
    try:
        if getattr(args, "config", None):
            prepare_paddle(debug)
            _check_config(args)
        main(args)
    except Exception as error:
        fault = error if isinstance(error, UserError) else out_of_memory(error) or forbidden(error)
        if fault is None:
            raise
        if debug:
            print(*map(printable, traceback.format_exc().rstrip().split("\n")), sep="\n", file=sys.stderr)
        print(f"error: {printable(str(fault))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as error:
        print("interrupted", file=sys.stderr)
        sys.exit(error.status if isinstance(error, Interrupted) else 130)
    finally:
        gc.freeze()  # at its end Python would search half a million objects of Paddle for garbage, for 0.3 s


def prepare_paddle(debug: bool) -> None:
    """Keeps Paddle, before it is imported, from writing to the terminal, unless `debug`."""
    prepare_libraries(quiet=not debug)
    for chatter in _PADDLE_CHATTER:
        warnings.filterwarnings("ignore", message=chatter)


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return printable(f"{filename}:{lineno}: {category.__name__}: {message}") + "\n"


def _check_config(args: argparse.Namespace) -> None:
    """Raise UserError if the config cannot be read or overridden, before Paddle takes a second to be imported."""
    logging.disable(logging.WARNING)  # the command, which reads it again, says the same
    try:
        load_config(args.config, args.opt)
    finally:
        logging.disable(logging.NOTSET)
