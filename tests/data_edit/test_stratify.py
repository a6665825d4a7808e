"""Each part gets its share of every label."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.data_edit import stratify as stratify_module
from ppdet.data_edit.stratify import stratify


def of_images(counts: np.ndarray) -> np.ndarray:
    """The counts with a last label for the unit itself."""
    return np.column_stack([counts, np.ones(len(counts), np.int64)])


def have(counts: np.ndarray, parts: np.ndarray, number: int) -> list[int]:
    return counts[parts == number].sum(0).tolist()


def test_an_even_division_is_found() -> None:
    """Four kinds of images, ten each: any tenth with one of each kind is exact."""
    counts = of_images(np.repeat(np.array([[1, 0, 0], [0, 2, 0], [0, 0, 3], [1, 1, 1]]), 10, axis=0))
    for seed in range(5):
        parts = stratify(counts, [0.8, 0.1, 0.1], np.random.default_rng(seed))
        assert have(counts, parts, 0) == [16, 24, 32, 32]
        assert have(counts, parts, 1) == have(counts, parts, 2) == [2, 3, 4, 4]


def test_the_first_division_counts_what_is_given() -> None:
    """Without any exchange: each unit goes to the part that lacks most."""
    counts = of_images(np.repeat(np.eye(3, dtype=np.int64), 20, axis=0))
    labels, wanted = counts.astype(np.float64), np.outer([0.75, 0.25], counts.sum(0))
    parts = stratify_module._divided(labels, wanted, np.random.default_rng(0))
    assert have(counts, parts, 1) == [5, 5, 5, 15]


def test_shares_of_random_labels() -> None:
    """Within 3 % (or half a box) where a random division is off by tens of percent."""
    rng = np.random.default_rng(0)
    counts = of_images((rng.random((1000, 8)) < np.linspace(0.02, 0.5, 8)) * rng.integers(1, 6, (1000, 8)))
    parts = stratify(counts, [0.9, 0.1], np.random.default_rng(1))
    for number, share in enumerate([0.9, 0.1]):
        wanted = counts.sum(0) * share
        assert (np.abs(have(counts, parts, number) - wanted) <= np.maximum(0.03 * wanted, 0.5)).all()
    at_random = np.random.default_rng(1).random(1000) < 0.1
    assert np.abs(counts[at_random].sum(0) / counts.sum(0) / 0.1 - 1).max() > 0.2


@pytest.mark.parametrize("seed", range(5))
def test_a_label_of_one_unit_goes_to_the_largest_part(seed: int) -> None:
    counts = of_images(np.zeros((50, 2), np.int64))
    counts[7, 0] = counts[20, 1] = counts[30, 1] = 1
    parts = stratify(counts, [0.8, 0.2], np.random.default_rng(seed))
    assert parts[7] == 0
    assert 0 in parts[[20, 30]]
    assert (parts == 1).sum() == 10


def test_units_of_several_images() -> None:
    """A unit counts as many images as it has."""
    counts = np.array([[30, 30]] + [[1, 1]] * 70)
    parts = stratify(counts, [0.7, 0.3], np.random.default_rng(0))
    assert have(counts, parts, 1) == [30, 30]


def test_the_seed_decides() -> None:
    counts = of_images(np.ones((40, 1), np.int64))
    first, again, other = (stratify(counts, [0.5, 0.5], np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.tolist() == again.tolist() != other.tolist()
    assert counts[0].tolist() == [1, 1]
