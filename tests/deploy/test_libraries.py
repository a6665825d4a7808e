"""Settings that libraries read from the environment."""

from __future__ import annotations

import os

import pytest

from ppdet.deploy.libraries import prepare_libraries


@pytest.mark.parametrize("quiet", [True, False])
def test_the_user_wins_and_debugging_is_not_quiet(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": "active"})
    prepare_libraries(quiet)
    assert os.environ["OMP_WAIT_POLICY"] == "active"
    assert os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] == "180000000"
    assert ("GLOG_minloglevel" in os.environ) == quiet
