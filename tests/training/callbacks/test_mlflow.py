"""MLflow in a folder, read back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ppdet.training.callbacks.base import Run
from ppdet.training.callbacks.mlflow import MLflow
from tests.support.logged_run import scalars_of, train_twice

mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")


@pytest.fixture(autouse=True)
def _no_server(monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def client_of(folder: Path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return mlflow.MlflowClient(tracking_uri=(folder / "mlruns").as_uri())


def test_the_values_are_those_of_the_log(tiny, monkeypatch):
    folder = train_twice(tiny, "log=[mlflow]")
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ
    client, number = client_of(folder, monkeypatch), json.loads((folder / "loggers.json").read_text())["mlflow"]
    (run,) = client.search_runs([client.get_experiment_by_name("ppdet").experiment_id])
    assert (run.info.run_id, run.info.run_name, run.info.status) == (number, "tiny", "FINISHED")
    expected = scalars_of(folder)
    assert set(run.data.metrics) == set(expected)
    for tag, points in expected.items():
        assert {each.step: each.value for each in client.get_metric_history(number, tag)} == points
    assert run.data.params["LearningRate.base_lr"] == "0.02"
    assert run.data.params["architecture"] == "PicoDet"


def test_an_end_before_the_last_epoch(tmp_path, monkeypatch):
    logger = MLflow()
    logger.on_begin(Run("x", tmp_path, {"a": {"b": [1]}, "long": "x" * 900}, 0, False))
    logger.on_record("train", 1, {"loss": 0.5})
    logger.on_end(False)
    client, number = client_of(tmp_path, monkeypatch), json.loads((tmp_path / "loggers.json").read_text())["mlflow"]
    run = client.get_run(number)
    assert run.info.status == "KILLED"
    assert run.data.metrics == {"train/loss": 0.5}
    assert run.data.params == {"a.b": "[1]", "long": "x" * 500}


def test_a_server_that_fails_is_noticed(tmp_path, monkeypatch):
    """In the thread that sends, of which a later record tells."""
    logger = MLflow()
    logger.on_begin(Run("x", tmp_path, {}, 0, False))
    monkeypatch.setattr(logger._client, "log_batch", lambda *args, **options: 1 / 0)
    logger.on_record("train", 1, {"loss": 0.5})
    logger._waiting[0].exception()
    with pytest.raises(ZeroDivisionError):
        logger.on_record("train", 2, {"loss": 0.5})
