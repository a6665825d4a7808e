"""Scores within a time, and the choice of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.doctor_bench import accuracy
from ppdet.doctor_bench.accuracy import choose_weights, measure_accuracy, until
from ppdet.doctor_bench.task import NotMeasured, Task
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.session import open_session
from tests.support.workspaces import random_weights

ROWS = np.zeros((0, 6), np.float32)
XS = "picodet_xs_320_coco_lcnet"


def task(config: str, *overrides: str, seconds: float = 60) -> Task:
    return Task("score", "accuracy", config, ["device=cpu", *overrides], seconds)


def test_detections_until_the_time_is_over() -> None:
    now = 0.0

    def detections() -> Iterator[tuple[int, np.ndarray]]:
        nonlocal now
        for im_id in range(10):
            now += 50 if im_id == 0 else 3  # the first one comes after the start of the workers
            yield im_id, ROWS

    assert [im_id for im_id, _ in until(7, detections(), lambda: now)] == [0, 1, 2, 3]
    assert len(until(1e9, detections(), lambda: now)) == 10


def test_the_score_is_that_of_an_evaluation(tiny: Path) -> None:
    weights = random_weights(tiny, tiny.with_name("random"))
    session = open_session(tiny, ["device=cpu", f"weights={weights}"])
    scores = build_evaluator(session)(session.load_model())
    result = measure_accuracy(task(str(tiny), f"weights={weights}"))
    [(_, text)] = result.lines
    assert result.numbers == {"score": pytest.approx(scores["AP"], abs=1e-12), "images": 6}
    assert text == f"AP {scores['AP']:.4f}, weights random.pdparams, all 6 images of EvalDataset"


def test_only_the_images_that_were_reached_are_scored(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model finds the first two images' boxes; the others would be misses."""
    weights = random_weights(tiny, tiny.with_name("random"))
    dataset = open_session(tiny, ["device=cpu"]).load_annotated("EvalDataset")
    found = []
    for record in (dataset.records[1], dataset.records[0]):  # in any order
        ones = np.ones((len(record.gt_bbox), 1), np.float32)
        found.append((record.im_id, np.hstack([record.gt_class, ones, record.gt_bbox])))
    monkeypatch.setattr(accuracy, "until", lambda seconds, detections: found)
    result = measure_accuracy(task(str(tiny), f"weights={weights}"))
    [(_, text)] = result.lines
    assert text == "AP 1.0000, weights random.pdparams, 2 of 6 images of EvalDataset"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The weights that can be had."""
    names: set[str] = set()

    def resolve(name: str) -> Path:
        if name not in names:
            raise UserError(f"{name}: not there")
        return Path(name)

    monkeypatch.setattr(accuracy, "resolve_weights", resolve)
    return names


@pytest.mark.parametrize(
    ("given", "configured", "available", "chosen"),
    [
        (["weights=my.pdparams"], "my.pdparams", {XS}, "my.pdparams"),  # even if missing: a typo must not give others
        ([], "output/best_model", {"output/best_model", XS}, "output/best_model"),
        ([], "output/best_model", {XS}, XS),
        ([], None, {XS}, XS),
    ],
)
def test_the_weights(
    there: set[str], given: list[str], configured: str | None, available: set[str], chosen: str
) -> None:
    there |= available
    assert choose_weights(task(f"configs/{XS}.yml", *given), configured) == chosen


def test_no_weights(there: set[str]) -> None:
    with pytest.raises(NotMeasured, match=f"^{XS}: not there; or give -o weights=<file>$"):
        choose_weights(task(XS), "output/best_model")
    with pytest.raises(NotMeasured, match="^my has no published weights; give -o weights=<file, name or URL>$"):
        choose_weights(task("my.yml"), None)
