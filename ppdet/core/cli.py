"""What the tools share on the command line. Imports nothing heavy, so that `--help` and typos answer at once."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from ppdet.core.config import load_config
from ppdet.core.errors import Interrupted, UserError, out_of_memory, printable
from ppdet.deploy.console import guard_output


def base_parser(description: str) -> argparse.ArgumentParser:
    """A parser with `-c/--config`, `-o/--opt`, `--device` and `--debug`, to which a tool adds its own options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="config file (YAML)")
    overrides = "override config values, as in -o LearningRate.base_lr=0.08 epoch=50"
    parser.add_argument("-o", "--opt", action="extend", nargs="*", default=[], metavar="KEY=VALUE", help=overrides)
    parser.add_argument("--device", metavar="KIND", help="auto, cpu, gpu, gpu:1, iluvatar_gpu, …: the config's device")
    parser.add_argument("--debug", action="store_true", help="show the full trace of an error")
    return parser


def add_switch(parser: argparse.ArgumentParser, flag: str, help: str) -> None:
    """An option that is off unless given, as `--flag` or in PaddleDetection's way, `--flag=true`."""
    parser.add_argument(flag, nargs="?", type=_truth, const=True, default=False, metavar="true|false", help=help)


def as_path(text: str) -> Path:
    """The type of options that are paths: `~` is the home folder, also where the shell leaves it, as in --dir=~/x."""
    if not text:  # Path("") is the current folder; a script's variable was empty
        raise argparse.ArgumentTypeError("expected a path, found nothing")
    return Path(os.path.expanduser(text))


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, found {text!r}")
    return text.lower() == "true"


def run(
    main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser, argv: Sequence[str] | None = None
) -> None:
    """Parse `argv` (default: the command line) and call `main`.

    A UserError ends the process with one line on stderr and status 2, with `--debug` after the full trace; Ctrl-C
    ends it with status 130, SIGTERM with 143.
    """
    guard_output()
    args = parser.parse_args(argv)
    wait_passively()
    if not args.debug:
        os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle's C++ side: errors only
        os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # an image's fault is said in one line
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "180000000")  # a second guard behind image_files.MAX_PIXELS
    warnings.formatwarning = _format_warning
    # Paddle's, at every start
    for chatter in ("No ccache found", "When training, we now always track global mean", "The Attr.force_cpu."):
        warnings.filterwarnings("ignore", message=chatter)
    try:
        _check_config(args)
        main(args)
    except Exception as error:
        fault = error if isinstance(error, UserError) else out_of_memory(error)
        if fault is None:
            raise
        if args.debug:
            print(*map(printable, traceback.format_exc().rstrip().split("\n")), sep="\n", file=sys.stderr)
        print(f"error: {printable(str(fault))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as error:
        print("interrupted", file=sys.stderr)
        sys.exit(error.status if isinstance(error, Interrupted) else 130)
    finally:
        gc.freeze()  # at its end Python would search half a million objects of Paddle for garbage, for 0.3 s


def wait_passively() -> None:
    """Let OpenMP threads sleep while they wait; only heeded before numba and Paddle's math library are loaded.

    By default they spin, for up to 200 ms after every parallel loop, on cores that others need: the reader's workers,
    the other OpenMP library (numba brings GNU's, Paddle Intel's), other programs.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return printable(f"{filename}:{lineno}: {category.__name__}: {message}") + "\n"


def _check_config(args: argparse.Namespace) -> None:
    """Raise UserError where the config cannot be read or overridden, before Paddle takes a second to be imported."""
    logging.disable(logging.WARNING)  # the tool, which reads it again, says the same
    try:
        load_config(args.config, args.opt)
    finally:
        logging.disable(logging.NOTSET)
