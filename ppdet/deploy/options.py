"""Types of command-line options."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Literal


def add_switch(parser: argparse.ArgumentParser, *flags: str, help: str, default: bool = False) -> None:
    """Adds an option that is given as `--flag` or in PaddleDetection's way, `--flag=True`."""
    parser.add_argument(*flags, nargs="?", type=_truth, const=True, default=default, metavar="true|false", help=help)


def as_path(text: str) -> Path:
    """A path. `~` is the home folder, also where the shell does not replace it, as in --output_dir=~/x."""
    if not text:  # Path("") is the current folder; a script's variable was empty
        raise argparse.ArgumentTypeError("expected a path, found nothing")
    return Path(os.path.expanduser(text))


def score_or_model(text: str) -> float | Literal["model"]:
    """A threshold for all classes, or `model`: the thresholds of the model."""
    if text == "model":
        return "model"
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of 0 to 1, or model; found {text!r}") from None


def path_or_address(text: str) -> Path | str:
    """A path, or an address as text, because Path would change its slashes."""
    return text if "://" in text else as_path(text)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, found {text!r}")
    return text.lower() == "true"
