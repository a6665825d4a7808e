"""Networks, losses and gradients against numbers stored in tests/golden, which any clone has.

They were measured with our own code at a commit that agreed with PaddleDetection (tests/modeling/test_golden.py), on
Paddle 3.3 for the CPU. Tolerances: 2e-4 of the largest value for outputs and statistics, 2e-4 relative for losses,
2e-3 for gradients. Weights that are 2e-7 off, which is worse than another machine's rounding, change them by up to
1e-4, 3e-5 and 5e-4.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.golden import relative_difference
from tests.golden.small import EPOCHS, MODELS, measure, stored


@pytest.fixture(scope="module", params=MODELS)
def both(request):
    """The stored and the measured numbers by name."""
    with np.load(stored(request.param)) as arrays:
        expected = dict(arrays)
    found = measure(request.param)
    assert expected.keys() == found.keys()
    return [(name, expected[name], found[name]) for name in expected]


def test_outputs(both):
    """Features, scores, boxes, and the running statistics after a batch."""
    compared = [entry for entry in both if entry[0].startswith("eval/") or entry[0].endswith("/running")]
    assert len(compared) >= 12
    for name, expected, found in compared:
        assert found.shape == expected.shape, name
        assert relative_difference(found, expected) < 2e-4, name


def test_detections(both):
    arrays = {name: (expected, found) for name, expected, found in both}
    np.testing.assert_array_equal(*arrays["eval/bbox_num"])
    expected, found = arrays["eval/bbox"]
    np.testing.assert_array_equal(found[:, 0], expected[:, 0])
    assert len(expected) > 50


def test_losses(both):
    compared = [entry for entry in both if "/loss" in entry[0]]
    assert len(compared) in (4, 8)
    for name, expected, found in compared:
        assert float(found) == pytest.approx(float(expected), rel=2e-4), name


def test_gradients(both):
    arrays = {name: (expected, found) for name, expected, found in both}
    phases = [name.split("/")[0] for name in arrays if name.endswith("/grad_norm")]
    assert len(phases) in map(len, EPOCHS.values())
    for phase in phases:
        norms = arrays[f"{phase}/grad_norm"][0]
        # a shift in front of another norm has gradient 0: what was measured there is rounding
        allowed = 2e-3 * np.maximum(norms, 1e-3 * norms.max())
        for key in ("grad_norm", "grad_dot"):
            expected, found = arrays[f"{phase}/{key}"]
            assert found.shape == expected.shape
            assert (np.abs(found - expected) < allowed).all(), (phase, key)


def test_which_parameters_decay(both):
    arrays = {name: (expected, found) for name, expected, found in both}
    np.testing.assert_array_equal(*arrays["decayed"])
    assert 0 < arrays["decayed"][0].sum() < len(arrays["decayed"][0])
