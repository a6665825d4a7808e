"""The scores of exported files, in their runtimes."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.evaluation.measure_export import TRAINED, log_scores, measure_export, require_measurable
from ppdet.export.export import export
from ppdet.export.vendor_format import one_by_one
from tests.support.tiny import make_run
from tests.support.trained import write_trained_config


def test_a_file_scores_as_the_trained_model(tmp_path) -> None:
    run, found = make_run(write_trained_config(tmp_path), "PicoHeadV2.nms.score_threshold=0.01"), []
    export(run, tmp_path / "out", lambda session, folder: found.append(measure_export(session, folder)))
    (scores,) = found
    assert scores.keys() == {TRAINED, "paddle"}
    assert scores["paddle"] == pytest.approx(scores[TRAINED], abs=1e-6)


def test_the_table(caplog) -> None:
    caplog.set_level(logging.INFO)
    log_scores("AP", {TRAINED: 0.26, "ncnn": 0.2573}, 50)
    lines = [record.message.split() for record in caplog.records]
    assert lines[0] == ["AP", "on", "the", "50", "images", "of", "EvalDataset"]
    assert lines[-1] == ["ncnn", "0.2573", "+0.0027"]


def test_images_one_by_one() -> None:
    def run(feed) -> list[np.ndarray]:
        assert feed["image"].shape == (1, 3)
        return [feed["image"] * 2, feed["image"].sum(axis=1)]

    images = np.arange(12.0).reshape(4, 3)
    twice, sums = one_by_one(run)({"image": images})
    np.testing.assert_array_equal(twice, 2 * images)
    np.testing.assert_array_equal(sums, images.sum(axis=1))


def test_what_has_no_score() -> None:
    require_measurable(ExportSettings())
    with pytest.raises(UserError, match=r"^--measure: found with export.post_process=false or .*; leave it out$"):
        require_measurable(ExportSettings(post_process=False))
