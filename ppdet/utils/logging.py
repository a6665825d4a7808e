"""The one place where log handlers are set up."""

from __future__ import annotations

import logging
import sys

from tqdm import tqdm

FORMAT = "%(asctime)s %(levelname).1s %(message)s"
DEBUG_FORMAT = "%(asctime)s %(levelname).1s %(name)s:%(lineno)d %(message)s"


class TqdmHandler(logging.Handler):
    """Writes to stderr above a running progress bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except OSError:  # stderr closed by the other side: losing the line beats ending the training
            self.handleError(record)


def setup_logging(rank: int = 0, debug: bool = False) -> None:
    """Send the log of ppdet and its tools to stderr, one line per message; may be called again.

    Args:
        rank: processes other than 0 log warnings and errors only, with their rank in front.
        debug: also debug messages, and where each message comes from.
    """
    handler = TqdmHandler()
    prefix = f"[rank {rank}] " if rank else ""
    handler.setFormatter(logging.Formatter(prefix + (DEBUG_FORMAT if debug else FORMAT), datefmt="%m-%d %H:%M:%S"))
    for old in list(logging.root.handlers):
        # importing Paddle puts a plain StreamHandler there, which would print every line a second time
        if type(old) in (logging.StreamHandler, TqdmHandler):
            logging.root.removeHandler(old)
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.WARNING)  # other libraries' chatter stays out
    level = logging.WARNING if rank else logging.DEBUG if debug else logging.INFO
    for name in ("ppdet", "__main__"):
        logging.getLogger(name).setLevel(level)
