"""A set without faults, drawn once."""

from __future__ import annotations

import pytest

from tests.support.data_faults import FaultySet, clean_set


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> FaultySet:
    return clean_set(tmp_path_factory.mktemp("clean") / "set")
