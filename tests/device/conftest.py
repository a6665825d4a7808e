from __future__ import annotations

from pathlib import Path

import pytest

from tests.device.build import build, missing_tool
from tests.device.machine import Machine


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled plug-in."""
    if reason := missing_tool():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("plugin")
    build(folder)
    return folder


@pytest.fixture
def machine(plugin: Path, tmp_path: Path) -> Machine:
    """A machine with two plug-in devices and a small training set."""
    return Machine(plugin, tmp_path).prepare()
