"""Compares the results of two trainings.

Tolerances of `assert_alike`, with the largest differences seen on Paddle 3.3 and 2.6: 1e-4 for losses (1e-5 with
two images for each rank, 6e-7 otherwise); 0.05 for the change of all convolutions (averaged weights 2e-4, weights and
velocities 0.01).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ppdet.utils.weight_files import read_arrays
from tests.device.machine import losses

TENSORS = (".pdparams", ".pdema", ".pdopt")


def assert_alike(one: Path, other: Path) -> None:
    """Compares the losses of two epochs, and what the second changed in averaged weights, weights and velocities."""
    np.testing.assert_allclose(losses(one), losses(other), rtol=1e-4)
    for suffix in TENSORS:
        found, expected = change(one, suffix), change(other, suffix)
        assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected), suffix


def change(folder: Path, suffix: str) -> np.ndarray:
    """The change of all convolutions, or their velocities, since the first epoch, as one vector."""
    before, after = (read_arrays(folder / f"{name}{suffix}") for name in ("0", "model_final"))
    return np.concatenate([(after[name] - before[name]).ravel() for name in sorted(after) if np.ndim(after[name]) == 4])


def assert_same(one: Path, other: Path, suffixes: tuple[str, ...] = TENSORS) -> None:
    """Compares the files of two checkpoints bit by bit, except for the files' checksums."""
    for suffix in suffixes:
        found, expected = (read_arrays(path.with_name(f"{path.name}{suffix}")) for path in (one, other))
        found.pop("checksums", None)
        expected.pop("checksums", None)
        np.testing.assert_equal(found, expected)
