"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of published weights, golden measurements and labelled images (`PPDET_SHARED`, default ../shared)."""
    path = Path(os.environ.get("PPDET_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"{path} is absent: set PPDET_SHARED to the folder with golden/, weights/ and data/")
    return path
