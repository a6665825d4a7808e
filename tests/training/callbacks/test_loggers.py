"""The config's `log`."""

from __future__ import annotations

import sys

import pytest

from ppdet.core.errors import UserError
from ppdet.core.settings import LOGGERS
from ppdet.training.callbacks.base import Run
from ppdet.training.callbacks.loggers import _BUILD
from ppdet.training.callbacks.run_files import flat, keep_id, kept_id
from ppdet.training.setup import build_trainer
from tests.support.tiny import make_run

MISSING = {
    "tensorboard": ("tensorboardX.event_file_writer", "tensorboardX is not installed; pip install tensorboardX"),
    "visualdl": ("visualdl", "VisualDL is not installed; pip install visualdl"),
    "wandb": ("wandb", "wandb is not installed; pip install wandb"),
    "mlflow": ("mlflow", "MLflow is not installed; pip install mlflow"),
}


def test_every_name_has_a_logger():
    assert set(_BUILD) == set(LOGGERS) == set(MISSING)


@pytest.mark.parametrize("name", LOGGERS)
def test_a_missing_library_is_an_error_before_anything_is_loaded(tiny, monkeypatch, name):
    module, message = MISSING[name]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as error:
        build_trainer(make_run(tiny, f"log=[{name}]", "TrainDataset.anno_path=missing.json"))
    assert str(error.value) == f"log: {name}: {message}"
    assert not (tiny.parent / "output").exists()


@pytest.mark.parametrize(
    ("log", "loggers"),
    [
        ("null", ()),
        ("[]", ()),
        ("wandb", ("wandb",)),
        ("[mlflow, wandb]", ("mlflow", "wandb")),
        ("'wandb, mlflow'", ("wandb", "mlflow")),
        ("[wandb, wandb]", ("wandb",)),
    ],
)
def test_lists_and_text(tiny, log, loggers):
    assert make_run(tiny, f"log={log}").settings.loggers == loggers


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (
            "[wandb, tensorbord]",
            "log: found 'tensorbord'; expected some of tensorboard, visualdl, wandb, mlflow; did you",
        ),
        ("''", "log: found ''; expected some of tensorboard, visualdl, wandb, mlflow"),
        ("3", "log: expected str or list[str] or null, found 3 (int)"),
        ("[3]", "log: expected str or list[str] or null, found [3] (list)"),
        ("{wandb: true}", "log: expected str or list[str] or null, found {'wandb': True} (dict)"),
    ],
)
def test_what_is_no_logger(tiny, log, message):
    with pytest.raises(UserError) as error:
        make_run(tiny, f"log={log}")
    assert str(error.value).startswith(message)


def test_the_flat_config():
    config = {"a": {"b": 1, "c": {"d": None}}, "e": [{"F": {}}, 2], "g": True, "h": "text", "i": 0.5}
    assert flat(config) == {"a.b": 1, "e": '[{"F": {}}, 2]', "g": True, "h": "text", "i": 0.5}


def test_ids_are_kept_for_a_continued_run_only(tmp_path):
    new, continued = (Run("x", tmp_path, {}, 0, each) for each in (False, True))
    keep_id(new, "wandb", "one")
    keep_id(new, "mlflow", "two")
    assert (kept_id(continued, "wandb"), kept_id(continued, "mlflow"), kept_id(new, "wandb")) == ("one", "two", None)
    keep_id(continued, "wandb", "three")
    assert (kept_id(continued, "wandb"), kept_id(continued, "mlflow")) == ("three", "two")
    (tmp_path / "loggers.json").write_text('["half')
    assert kept_id(continued, "wandb") is None
