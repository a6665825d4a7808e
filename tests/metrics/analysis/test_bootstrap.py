from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.metrics.analysis.average_precision import Scorer, build_scorer
from ppdet.metrics.analysis.bootstrap import Difference, compare, resample
from ppdet.utils.streams import Stream, generator
from tests.support.judged import Judged, random_judged
from tests.support.simulated import simulate

BOX = [0, 0, 100, 100]


@cache
def scorer(seed: int, images: int = 60, skill: float = 0.8) -> Scorer:
    return build_scorer(simulate(np.random.default_rng(seed), images, skill))


def test_a_resample_is_an_evaluation_of_the_drawn_images() -> None:
    judged = random_judged(1, images=15)
    rng = np.random.default_rng(1)
    for rows in judged.detections:
        rows[:, 1] = rng.random(len(rows))
    (found,) = resample([build_scorer(judged.case)], count=2, seed=7)
    chosen = np.flatnonzero(generator(Stream.BOOTSTRAP, 7).permutation(15) < 7)
    drawn = dataclasses.replace(
        judged,
        objects=[judged.objects[i] for i in chosen],
        detections=[judged.detections[i] for i in chosen],
    ).metric
    expected = [*drawn.compute().values(), *(row.AP for row in drawn.classwise())]
    np.testing.assert_allclose(found.samples[0], expected, rtol=0, atol=1e-12)
    assert not np.allclose(found.samples[0], found.samples[1])
    official = judged.metric
    assert found.values.tolist() == pytest.approx(
        [*official.compute().values(), *(row.AP for row in official.classwise())], abs=1e-12
    )


def test_the_same_seed_gives_the_same_interval() -> None:
    one, same, other = (resample([scorer(0)], 20, seed)[0].intervals()["AP"] for seed in (3, 3, 4))
    assert one == same != other


def test_intervals_contain_the_value_and_narrow_with_more_images() -> None:
    few, many = (resample([scorer(0, images)], 100)[0].intervals() for images in (50, 800))
    for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100"):
        for interval in (few[name], many[name]):
            assert interval.low <= interval.value <= interval.high
        assert 2.5 < few[name].deviation / many[name].deviation < 6.5  # 4: the square root of 16
        assert many[name].high - many[name].value == pytest.approx(1.96 * many[name].deviation, rel=0.1)
    for interval in (few["AP"], many["AP"]):  # AP of few images is too high
        assert interval.value - interval.low > 1.1 * (interval.high - interval.value)


def test_classes_have_intervals() -> None:
    found = resample([scorer(0)], 50)[0]
    intervals = found.class_intervals()
    assert len(intervals) == 3
    assert intervals[0].deviation < intervals[2].deviation  # 60 % and 10 % of the objects


def test_the_better_detector_is_told_from_noise() -> None:
    """Two runs on the same images: the clear difference is called clear, an equal one is not."""
    a, b, same = resample([scorer(0, 300, 0.85), scorer(0, 300, 0.6), scorer(0, 300, 0.85)], 100)
    difference = compare(a, b)["AP50"]
    assert difference.is_clear
    assert difference.probability == 1
    assert difference.low < difference.value < difference.high
    assert difference.value == pytest.approx(a.values[1] - b.values[1])
    assert compare(b, a)["AP50"].probability == 0
    assert compare(a, same)["AP"] == (0, 0, 0, 0, 0.5)
    assert not Difference(0.1, -0.1, 0.3, 0.1, 0.8).is_clear


def test_paired_draws_take_out_what_images_have_in_common() -> None:
    a, b = resample([scorer(0, 300, 0.85), scorer(0, 300, 0.6)], 100)
    alone = np.hypot(a.intervals()["AP50"].deviation, b.intervals()["AP50"].deviation)
    assert compare(a, b)["AP50"].deviation < 0.95 * alone


def test_other_images_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="60, 50 images"):
        resample([scorer(0), scorer(0, 50)])


def test_nothing_to_resample() -> None:
    (found,) = resample([build_scorer(Judged([], []).case)], 10)
    assert np.isnan(found.intervals()["AP"]).all()
    perfect = Judged([[[0, *BOX, 0]]] * 2, [[[0, 0.9, *BOX]]] * 2)
    (found,) = resample([build_scorer(perfect.case)], 10)
    assert found.intervals()["AP"] == (pytest.approx(1), pytest.approx(1), pytest.approx(1), pytest.approx(0))
    assert np.isnan(found.intervals()["APs"]).all()
    for few in (resample([scorer(0)], 0), resample([build_scorer(Judged(perfect.objects[:1], [[]]).case)], 10)):
        assert np.isnan(few[0].intervals()["AP"].low)


def covered(images: int, trials: int, count: int, expected: dict[str, float]) -> dict[str, float]:
    """The share of simulated data sets whose interval has the expected number."""
    hits = dict.fromkeys(expected, 0)
    for trial in range(trials):
        found = resample([build_scorer(simulate(np.random.default_rng(trial), images))], count, trial)[0].intervals()
        for name in hits:
            hits[name] += found[name].low <= expected[name] <= found[name].high
    return {name: hit / trials for name, hit in hits.items()}


@cache
def of_very_many_images() -> dict[str, float]:
    very_many = scorer(10**6, 40000)
    return very_many.scores(very_many.detail())


def test_coverage_of_few_data_sets() -> None:
    """60 data sets: intervals of half the width would have the number in two thirds of them."""
    share = covered(150, 60, 60, of_very_many_images())
    assert 0.84 <= share["AR100"] <= 1
    assert 0.84 <= share["AP50"] <= 1


@pytest.mark.slow
def test_coverage() -> None:
    """The true coverage may be from 0.9 to 0.98; that of 400 data sets is within 2 standard errors of it."""
    share = covered(400, 400, 100, of_very_many_images())
    low, high = (bound + sign * 2 * (bound * (1 - bound) / 400) ** 0.5 for bound, sign in ((0.9, -1), (0.98, 1)))
    assert all(low <= share[name] <= high for name in ("AP", "AP50", "AP75", "AR100")), share
