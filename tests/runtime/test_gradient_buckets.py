"""Gradients that are averaged in buckets: their values, and when the all-reduces begin."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.ranks import run_ranks

UPDATES, LAYERS = 3, 6


def test_gradients_are_means_over_the_ranks_that_begin_during_the_backward_pass(tmp_path: Path) -> None:
    """Buckets, in the order of the backward pass: layer 6 and one without gradients, 5 and 4, 3 and 2, 1.

    The first of them waits for gradients until the end.
    """
    for rank in run_ranks("mean_gradients", 2, tmp_path, UPDATES):
        assert len(rank["found"]) == UPDATES * LAYERS * (4 * 4 + 4)
        np.testing.assert_array_equal(rank["found"], rank["expected"])
        assert rank["complete"].tolist() == UPDATES * [6, 10, 12, 12]
