"""Event files for TensorBoard.

They are written by tensorboardX, which needs neither TensorFlow nor TensorBoard. Its `SummaryWriter` writes in a thread
whose death, as on a full disk, would block the training; its `EventsWriter` has none, and a log line is short.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ppdet.training.callbacks.base import Callback, Numbers, Run, require, scalars
from ppdet.training.callbacks.run_files import flat

FOLDER = "tensorboard"


class TensorBoard(Callback):
    """Writes scalars and the config, for `tensorboard --logdir <output folder>`."""

    def __init__(self) -> None:
        """Raises UserError if tensorboardX is not installed."""
        self._files = require("tensorboardX.event_file_writer", "log: tensorboard", "tensorboardX", "tensorboardX")
        self._proto = require("tensorboardX.proto.event_pb2", "log: tensorboard", "tensorboardX", "tensorboardX")
        self._summary = require("tensorboardX.summary", "log: tensorboard", "tensorboardX", "tensorboardX")

    def on_begin(self, run: Run) -> None:
        """Opens a new file. That of a continued run takes back the steps that are done again."""
        folder = run.folder / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        # the library names files by the second, which a short run may share with its continuation
        self._writer = self._files.EventsWriter(str(folder / "events"), f".{time.time_ns() % 10**9:09d}")
        if run.continued:
            start = self._proto.SessionLog(status=self._proto.SessionLog.START)
            self._write(run.updates + 1, session_log=start)
        self._write_config(flat(run.config))

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        values = [{"tag": f"{kind}/{name}", "simple_value": value} for name, value in scalars(numbers).items()]
        self._write(updates, summary={"value": values})
        self._writer.flush()

    def on_end(self, complete: bool) -> None:
        self._writer.close()

    def _write_config(self, config: Mapping[str, Any]) -> None:
        """Writes the config as hyper-parameters."""
        score = "mAP" if config.get("metric") == "VOC" else "AP"
        experiment, begin, _ = self._summary.hparams(config, {f"eval/{score}": None})
        for summary in (experiment, begin):
            self._write(0, summary=summary)
        self._writer.flush()

    def _write(self, step: int, **content: Any) -> None:
        self._writer.write_event(self._proto.Event(wall_time=time.time(), step=step, **content))
