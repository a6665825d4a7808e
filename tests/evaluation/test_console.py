"""The other model that an evaluation is compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.evaluation.console import _detections_of
from ppdet.evaluation.evaluator import run_evaluation
from ppdet.export.export import export
from ppdet.session import Session
from tests.support.tiny import make_run
from tests.support.trained import write_trained_config


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return make_run(write_trained_config(tmp_path_factory.mktemp("console")), "filename=tiny")


def test_an_export_detects_what_its_weights_do(session: Session, tmp_path: Path) -> None:
    folder = export(session, tmp_path / "out")
    dataset, _, expected = run_evaluation(session)
    found = _detections_of(str(folder), session, dataset)
    assert [im_id for im_id, _ in found] == [im_id for im_id, _ in expected]
    assert sum(len(rows) for _, rows in found) > 0
    for (_, rows), (_, others) in zip(found, expected, strict=True):
        strong, wanted = (each[each[:, 1] > 0.1] for each in (rows, others))
        np.testing.assert_allclose(strong, wanted[np.argsort(-wanted[:, 1], kind="stable")], atol=0.05)


def test_the_classes_of_the_other_model(session: Session, tmp_path: Path) -> None:
    folder = export(session, tmp_path / "out")
    text = (folder / "infer_cfg.yml").read_text()
    (folder / "infer_cfg.yml").write_text(text.replace("- red", "- pink"))
    dataset, _, _ = run_evaluation(session)
    message = rf"^--compare: {folder}: found the classes .*pink.*; expected those of the evaluation in their order, "
    with pytest.raises(UserError, match=message):
        _detections_of(str(folder), session, dataset)
