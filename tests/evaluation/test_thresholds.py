"""What can be found wrong before the model runs, is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.evaluation import thresholds
from ppdet.metrics.analysis import Goal
from tests.support.tiny import make_run


@pytest.mark.parametrize(
    ("output", "iou", "message"),
    [
        ("images", 0.5, r"^--output: .*images is a folder; expected a file; give .*images.thresholds\.yml$"),
        ("tiny.yml/t.yml", 0.5, r"^.*tiny\.yml: cannot be written \(.*\); choose another --output$"),
        ("t.yml", 0.05, r"^iou: found 0\.05; expected more than 0\.1 and at most 1$"),
    ],
)
def test_nothing_is_detected_in_vain(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, output: str, iou: float, message: str
) -> None:
    monkeypatch.setattr(thresholds, "run_evaluation", lambda session: pytest.fail("the model ran"))
    with pytest.raises(UserError, match=message):
        thresholds.thresholds_to_file(make_run(tiny, "device=cpu"), Goal("f1"), iou, None, tiny.parent / output)
