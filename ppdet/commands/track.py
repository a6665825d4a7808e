"""`ppdet track`."""

from __future__ import annotations

import argparse
from importlib import import_module

from ppdet.deploy.errors import say
from ppdet.deploy.libraries import prepare_libraries


def main(args: argparse.Namespace) -> None:
    """Follow and count objects in a video."""
    prepare_libraries()  # before OpenCV is loaded
    try:
        import_module("ppdet.deploy.tracking.run").run(args)
    except KeyboardInterrupt as stop:
        if stop.args:  # which frames are kept
            say(stop, error=True)
        raise
