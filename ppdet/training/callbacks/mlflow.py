"""MLflow, on a server or in a folder."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ppdet.training.callbacks.base import Callback, Numbers, Run, require, scalars
from ppdet.training.callbacks.run_files import flat, keep_id, kept_id

logger = logging.getLogger(__name__)

_EXPERIMENT = "ppdet"
_AT_ONCE, _LONGEST = 100, 500  # parameters in a request, characters of a value: limits of older servers
_ALLOW_FOLDER = "MLFLOW_ALLOW_FILE_STORE"


class MLflow(Callback):
    """Sends scalars and the config to MLFLOW_TRACKING_URI, or writes them to `mlruns` in the output folder.

    A thread sends them, because a server may be slow.
    """

    def __init__(self) -> None:
        """Raises UserError if MLflow is not installed."""
        self._mlflow = require("mlflow", "log: mlflow", "MLflow", "mlflow")
        self._waiting: list[Future[Any]] = []

    def on_begin(self, run: Run) -> None:
        uri = os.environ.get("MLFLOW_TRACKING_URI") or (run.folder / "mlruns").resolve().as_uri()
        with _folder_allowed():
            self._client = self._mlflow.MlflowClient(tracking_uri=uri)
        known = kept_id(run, "mlflow")
        self._id = known or self._create(run)
        if known:
            self._client.update_run(known, status="RUNNING")
        self._thread = ThreadPoolExecutor(1)
        logger.info("mlflow: run %s in %s", self._id, uri)

    def _create(self, run: Run) -> str:
        """Creates the run, with the config as its parameters."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
        experiment = self._client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self._client.create_experiment(name)
        created: str = self._client.create_run(number, run_name=run.name).info.run_id
        param = self._mlflow.entities.Param
        params = [param(key, str(value)[:_LONGEST]) for key, value in flat(run.config).items()]
        for start in range(0, len(params), _AT_ONCE):
            self._client.log_batch(created, params=params[start : start + _AT_ONCE])
        keep_id(run, "mlflow", created)
        return created

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        while self._waiting and self._waiting[0].done():
            self._waiting.pop(0).result()  # raises what the thread has met
        now, metric = int(time.time() * 1000), self._mlflow.entities.Metric
        metrics = [metric(f"{kind}/{name}", value, now, updates) for name, value in scalars(numbers).items()]
        self._waiting.append(self._thread.submit(self._client.log_batch, self._id, metrics=metrics))

    def on_end(self, complete: bool) -> None:
        try:
            for sent in self._waiting:
                sent.result()
        finally:
            self._waiting.clear()
            self._thread.shutdown(cancel_futures=True)
        self._client.set_terminated(self._id, "FINISHED" if complete else "KILLED")


@contextmanager
def _folder_allowed() -> Iterator[None]:
    """Context in which MLflow 3 agrees to write to a folder."""
    before = os.environ.get(_ALLOW_FOLDER)
    os.environ[_ALLOW_FOLDER] = before or "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ALLOW_FOLDER]
