"""Sets up the log handlers of all commands."""

from __future__ import annotations

import logging
import sys

from tqdm import tqdm

from ppdet.deploy.errors import printable


class TqdmHandler(logging.Handler):
    """Writes to stderr, above a running progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except OSError:  # stderr was closed; the program goes on without the line
            self.handleError(record)


class OneLineFormatter(logging.Formatter):
    """Formats a message as one line without control characters; a trace keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        return printable(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))


def setup_logging(rank: int = 0, debug: bool = False) -> None:
    """Send the log of ppdet and its tools to stderr, one line per message. May be called again.

    Args:
        rank: processes other than 0 log warnings and errors only, with their rank in front.
        debug: also debug messages, and where each message comes from.
    """
    prefix = f"[rank {rank}] " if rank else ""
    origin = " %(name)s:%(lineno)d" if debug else ""
    handler = TqdmHandler()
    handler.setFormatter(
        OneLineFormatter(f"{prefix}%(asctime)s %(levelname).1s{origin} %(message)s", datefmt="%m-%d %H:%M:%S")
    )
    # importing Paddle puts a plain StreamHandler there, which would print every line a second time
    for old in [old for old in logging.root.handlers if type(old) in (logging.StreamHandler, TqdmHandler)]:
        logging.root.removeHandler(old)
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.WARNING)  # no messages of other libraries
    level = logging.WARNING if rank else logging.DEBUG if debug else logging.INFO
    for name in ("ppdet", "__main__"):
        logging.getLogger(name).setLevel(level)
