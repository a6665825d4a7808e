"""Fixtures that every test folder shares."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What a test sets up (tools call setup_logging) must not reach the next test, whatever the order."""
    loggers = [logging.getLogger(name) for name in ("", "ppdet", "__main__")]
    before = [(each, each.level, list(each.handlers)) for each in loggers]
    yield
    for each, level, handlers in before:
        each.setLevel(level)
        each.handlers[:] = handlers
