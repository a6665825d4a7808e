"""`results.csv` and `results.png`: one row, and one point of each curve, for each epoch.

Both are made from metrics.jsonl alone, so a continued run repeats nothing in them.
"""

from __future__ import annotations

import csv
import logging
from importlib.util import find_spec
from pathlib import Path

from ppdet.deploy.files import atomic_write
from ppdet.training.callbacks.base import Callback, Run
from ppdet.training.callbacks.results_plot import draw
from ppdet.training.epoch_table import epoch_rows, read_records

logger = logging.getLogger(__name__)

TABLE, PLOT = "results.csv", "results.png"


class ResultsTable(Callback):
    """Rewrites results.csv at the beginning of a continued run, at each checkpoint and at the end."""

    def __init__(self, metrics: Path) -> None:
        """metrics: the file metrics.jsonl, beside which the table is written."""
        self._metrics = metrics

    def on_begin(self, run: Run) -> None:
        if run.continued:
            self.on_checkpoint()

    def on_checkpoint(self) -> None:
        rows = epoch_rows(read_records(self._metrics))
        names = list(dict.fromkeys(name for row in rows for name in row))
        with atomic_write(self._metrics.with_name(TABLE)) as file:
            table = csv.DictWriter(file, names, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows(rows)

    def on_end(self, complete: bool) -> None:
        self.on_checkpoint()


class ResultsPlot(Callback):
    """Draws results.png again at each checkpoint and at the end, if matplotlib is installed."""

    def __init__(self, metrics: Path) -> None:
        """metrics: the file metrics.jsonl, beside which the plot is written."""
        self._metrics = metrics
        self._possible = find_spec("matplotlib") is not None

    def on_begin(self, run: Run) -> None:
        if not self._possible:
            logger.info("%s is not drawn: matplotlib is not installed; pip install matplotlib", PLOT)

    def on_checkpoint(self) -> None:
        if self._possible and (rows := epoch_rows(read_records(self._metrics))):
            draw(self._metrics.with_name(PLOT), rows)

    def on_end(self, complete: bool) -> None:
        if not complete:  # else the last checkpoint has just been drawn
            self.on_checkpoint()
