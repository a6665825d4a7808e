"""The highest of neighboring scores, against loops.

Tolerance 1e-3: a score falls to 0 within 0.0008, so that rounding to float32 (6e-8) counts up to 1e-4.
"""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.modeling.peaks import TIE, keep_peaks, possible_peaks
from tests.references.peaks import peaks

SIZES = {"even": [(8, 12), (4, 6), (2, 3)], "odd": [(5, 7), (3, 4), (2, 2), (1, 1)], "one level": [(4, 4)]}


def kept(maps: list[np.ndarray]) -> list[np.ndarray]:
    return [level.numpy() for level in keep_peaks([paddle.to_tensor(np.float32(each)) for each in maps])]


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("steps", [8, 10**6])
def test_peaks(sizes, steps):
    """With 8 steps many scores are equal."""
    rng = np.random.default_rng(steps)
    maps = [np.float32(np.round(rng.random((2, 3, *size)) * steps) / steps) for size in sizes]
    found = kept(maps)
    for image in range(2):
        for kind in range(3):
            expected = peaks([level[image, kind].tolist() for level in maps])
            for level, rows in zip(found, expected, strict=True):
                np.testing.assert_allclose(level[image, kind], rows, atol=1e-3)


@pytest.mark.parametrize("score", [0.2, 1.0])
def test_one_of_equal_scores_stays(score):
    """Over all levels: the upper left point of a fine level that is worth less than the coarse one around it."""
    block = np.zeros((1, 1, 4, 4), np.float32)
    block[..., :2, :2] = score
    coarse = np.zeros((1, 1, 2, 2), np.float32)
    coarse[..., 0, 0] = score
    fine, above = kept([block, coarse])
    assert fine.max() == 0
    assert np.count_nonzero(above) == 1
    assert above[0, 0, 0, 0] == np.float32(score)
    alone, _ = kept([block, 0 * coarse])
    assert np.argwhere(alone).tolist() == [[0, 0, 1, 1]]


def test_scores_of_different_classes_and_images_do_not_meet():
    scores = np.zeros((2, 2, 3, 3), np.float32)
    scores[0, 0, 1, 1], scores[0, 1, 1, 2], scores[1, 0, 0, 0] = 0.9, 0.5, 0.3
    np.testing.assert_array_equal(kept([scores])[0], scores)


def test_rounding_changes_a_score_little():
    """Two neighbors of almost the same rank: 1e-6 more or less for one of them."""
    scores = np.zeros((1, 1, 1, 2), np.float32)
    scores[..., 0], scores[..., 1] = 0.5 + TIE * 1.4, 0.5
    before = kept([scores])[0]
    scores[..., 0] += 1e-6
    assert np.abs(kept([scores])[0] - before).max() < 2e-3
    assert before.min() > 0


def test_gradients_reach_what_stays():
    scores = paddle.to_tensor(np.float32([[[[0.9, 0.2, 0.1, 0.5]]]]), stop_gradient=False)
    keep_peaks([scores])[0].sum().backward()
    np.testing.assert_array_equal(scores.grad.numpy(), [[[[1, 0, 0, 1]]]])


def test_possible_peaks():
    """The first two points are nearly equal in rank: each may win. The last one wins by more than the change."""
    scores = np.zeros((1, 1, 1, 5), np.float32)
    scores[0, 0, 0] = [0.5 + 1.2 * TIE, 0.5, 0, 0, 0.9]
    least, most = ([level.numpy() for level in possible_peaks([paddle.to_tensor(scores)], by)] for by in (-0.01, 0.01))
    np.testing.assert_allclose(least[0][0, 0, 0], [0, 0, 0, 0, 0.9], rtol=1e-6)
    np.testing.assert_allclose(most[0][0, 0, 0], scores[0, 0, 0], rtol=1e-6)
    rng = np.random.default_rng(0)
    maps = [np.float32(rng.random((2, 3, *size))) for size in SIZES["odd"]]
    low, high = (possible_peaks([paddle.to_tensor(each) for each in maps], by) for by in (-0.02, 0.02))
    changed = 0
    for number, (middle, below, above) in enumerate(zip(kept(maps), low, high, strict=True)):
        assert (below.numpy() <= middle + 1e-6).all()
        assert (middle <= above.numpy() + 1e-6).all()
        assert (above.numpy() <= maps[number] + 1e-6).all()
        changed += int((above.numpy() > below.numpy() + 1e-3).sum())
    assert 0 < changed < 40
