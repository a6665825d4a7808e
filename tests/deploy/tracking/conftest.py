from __future__ import annotations

import sys

import pytest

from tests.support import fake_trackers


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detections are followed by a stand-in for the package trackers."""
    for name, module in fake_trackers.modules().items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture(params=["stand-in", "trackers"])
def library(request: pytest.FixtureRequest) -> None:
    """Both, one after the other: what ppdet adds holds for either."""
    if request.param == "stand-in":
        request.getfixturevalue("stand_in")
    else:
        pytest.importorskip("trackers", reason='trackers is not installed: pip install ".[tracking]"')
