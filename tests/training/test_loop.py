"""The training loop: groups of batches, checks of the weights, the combined numbers of the ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.data.loading.batch_sheet import SHEETS
from ppdet.data_view.batches import write_batches
from ppdet.runtime import distributed
from ppdet.training.loop import _check_finite, fit, full_groups, over_ranks
from ppdet.training.setup import build_trainer
from tests.support.models import make_model
from tests.support.tiny import make_run


@pytest.mark.parametrize(
    ("count", "size", "groups"),
    [
        (3, 1, [[0], [1], [2]]),
        (6, 3, [[0, 1, 2], [3, 4, 5]]),
        (5, 2, [[0, 1], [2, 3]]),
        (1, 2, []),
        (0, 1, []),
    ],
)
def test_full_groups(count, size, groups):
    """The batches are read to their end, also those that do not fill a group."""
    ended = []

    def batches():
        yield from range(count)
        ended.append(True)

    assert list(full_groups(batches(), size)) == groups
    assert ended


def test_groups_are_read_one_by_one():
    """An update does not wait for the next group's batches."""
    batches = iter(range(6))
    assert next(full_groups(batches, 2)) == [0, 1]
    assert next(batches) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_are_named(value):
    model = make_model("PicoHeadV2")
    _check_finite(model)
    weight = model.head.head_cls[1].weight
    values = weight.numpy()
    values[3, 2] = value
    weight.set_value(paddle.to_tensor(values))
    message = (
        "^head.head_cls.1.weight: became NaN or infinite; lower LearningRate.base_lr; the last checkpoint is kept$"
    )
    with pytest.raises(UserError, match=message):
        _check_finite(model)


def test_numbers_of_several_ranks():
    ranks = [
        {"loss": 1.0, "images_per_second": 10.0, "data_seconds": 0.1, "step_seconds": 2.0},
        {"loss": 3.0, "images_per_second": 5.0, "data_seconds": 0.3, "step_seconds": 1.0},
    ]
    expected = {"loss": 2.0, "images_per_second": 15.0, "data_seconds": 0.3, "step_seconds": 2.0}
    assert over_ranks(ranks) == expected
    assert np.isfinite(list(over_ranks(ranks[:1]).values())).all()


def test_memory_is_reported(tiny, caplog):
    trainer, progress = build_trainer(make_run(tiny, "epoch=1"))
    with caplog.at_level("INFO"):
        fit(trainer, progress)
    assert "peak memory" in caplog.text


def sheets_in(folder):
    return {file.name: file.read_bytes() for file in folder.glob("*.jpg")}


def test_the_first_batches_are_shown(tiny, tmp_path):
    """They are the pictures of `ppdet data show`, and an epoch of two batches has two of them."""
    trainer, progress = build_trainer(make_run(tiny, "epoch=1"))
    assert trainer.steps == 2
    fit(trainer, progress)
    assert write_batches(tiny, tmp_path / "shown") == list(SHEETS[:2])
    assert sheets_in(trainer.output_dir) == sheets_in(tmp_path / "shown")
    assert len(sheets_in(tmp_path / "shown")) == 2


def test_later_epochs_and_other_ranks_show_nothing(tiny, monkeypatch):
    trainer, progress = build_trainer(make_run(tiny, "epoch=2"))
    fit(trainer, replace(progress, epoch=1))
    assert not sheets_in(trainer.output_dir)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    assert build_trainer(make_run(tiny, "epoch=1"))[0].watch is None
