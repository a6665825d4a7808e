"""The tiny dataset and a config for it; tests/engine/tiny.py says what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.tiny import write_config, write_dataset


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A config file that trains XS on six images of 60 x 80 at 64 x 64, into `<its folder>/output/tiny`."""
    write_dataset(tmp_path)
    return write_config(tmp_path)
