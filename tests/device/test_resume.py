"""A training on a plug-in device that was resumed ends with the very same bits."""

from __future__ import annotations

import shutil

import numpy as np

from tests.device.compare import TENSORS, assert_same
from tests.device.conftest import Trained
from tests.device.machine import TWO_EPOCHS, losses


def test_resume_after_an_epoch(trained: Trained) -> None:
    begun = trained.machine.folder / "resumed" / "tiny"
    begun.mkdir(parents=True)
    for file in trained.device.glob("0.*"):
        shutil.copy(file, begun)
    resumed = trained.machine.train("resumed", *TWO_EPOCHS, options=("-r", "auto"))
    np.testing.assert_array_equal(losses(resumed), losses(trained.device)[2:])
    assert_same(resumed / "model_final", trained.device / "model_final", (*TENSORS, ".pdstate"))
