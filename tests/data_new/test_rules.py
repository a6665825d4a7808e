"""The settings of a training by the number of images and the machine, at exact values."""

from __future__ import annotations

import pytest

from ppdet.data_new import rules


@pytest.mark.parametrize(
    ("published", "memory", "has_card", "num_images", "expected"),
    [
        (64, 23.5, False, 292, 16),  # BCCD: as its recipe
        (64, 23.5, False, 100_000, 16),  # the most on a CPU
        (64, 4, False, 100_000, 8),  # 64 * 4 / 32
        (12, 8, False, 5_000, 2),  # L 640: 3 fit
        (64, 32, True, 100_000, 64),  # as published
        (48, 32, True, 100_000, 48),  # not a power of two, but published
        (48, 24, True, 100_000, 32),  # 36 fit
        (64, 80, True, 100_000, 64),  # not more than published
        (64, 80, True, 1_023, 32),  # 16 updates in an epoch: 63.9
        (64, 80, True, 1_024, 64),
        (64, 80, True, 40, 8),  # not fewer than 8
        (64, 80, True, 5, 4),  # drop_last leaves a batch that is not full out
        (64, 80, True, 1, 1),
        (12, 1, True, 500, 1),
    ],
)
def test_batch_size(published: int, memory: float, has_card: bool, num_images: int, expected: int) -> None:
    assert rules.batch_size(published, memory, has_card, num_images) == expected


def test_the_rate_grows_with_the_batch() -> None:
    assert rules.learning_rate(0.32, 256, 16) == 0.02
    assert rules.learning_rate(0.32, 256, 64) == 0.08
    assert rules.learning_rate(0.24, 192, 48) == pytest.approx(0.06, rel=1e-12)


@pytest.mark.parametrize(("steps", "expected"), [(18, 20), (17, 22), (1, 300), (2, 180), (19, 20), (5000, 20)])
def test_epochs(steps: int, expected: int) -> None:
    assert rules.epochs(steps) == expected


@pytest.mark.parametrize(("updates", "expected"), [(360, 18), (380, 19), (10, 1), (6000, 300), (100_000, 300)])
def test_warmup(updates: int, expected: int) -> None:
    assert rules.warmup_steps(updates) == expected


@pytest.mark.parametrize(("epochs", "static", "snapshots"), [(20, 4, 2), (300, 60, 30), (22, 4, 2), (29, 5, 2)])
def test_parts_of_the_epochs(epochs: int, static: int, snapshots: int) -> None:
    assert rules.static_assigner_epochs(epochs) == static
    assert rules.snapshot_epochs(epochs) == snapshots


def test_workers() -> None:
    assert [rules.worker_num(cores) for cores in (1, 2, 6, 64)] == [1, 2, 6, 6]
