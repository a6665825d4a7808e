"""Fixtures that every test folder shares."""

from __future__ import annotations

import logging
import os
import signal
import sys
import zlib  # noqa: F401  # before Paddle, see ppdet/__init__.py
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import paddle
import pytest

from tests.support.remembered import remember_answers
from tests.support.tiny import write_config, write_dataset

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
# Folders whose tests need no process, export or training; `pytest -m unit` runs them.
UNIT_FOLDERS = ("core", "data", "metrics", "modeling", "optim", "utils", "weights")
# What takes longest comes first, so that all workers of pytest-xdist end at about the same time.
LONG_FOLDERS = ("device", "tools", "training", "export", "runtime", "evaluation")
LONGER = ("test_golden.py", "test_jit.py")  # every config with its losses and gradients; compilations

# MKL chooses its code at its first product. The golden figures were measured with what it chooses by itself, so it does
# so before a test calls `tune_process`; tools that tests start are tuned.
paddle.ones([64, 64]) @ paddle.ones([64, 64])

# With a plug-in installed, launchers that tests start look for its cards: that of Paddle 2.6 does not by itself.
if plugins := paddle.device.get_all_custom_device_type():
    os.environ.setdefault("PADDLE_XCCL_BACKEND", plugins[0])

remember_answers()

# No test cuts the power: the wait for the disk is a fifth of a short training.
os.fsync = lambda file: None

# A shell that starts the tests in its background has it ignored, and so would the tools that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of published weights, golden measurements and labelled images (`PPDET_SHARED`, default ../shared)."""
    path = Path(os.environ.get("PPDET_SHARED", SHARED))
    if not path.is_dir():
        pytest.skip(f"{path} is absent: set PPDET_SHARED to the folder with golden/, weights/ and data/")
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put LONG_FOLDERS first; mark as `unit` the tests of UNIT_FOLDERS that are not slow and in no file of LONGER."""
    first = {ROOT / "tests" / name for name in LONG_FOLDERS}
    items.sort(key=lambda item: first.isdisjoint(item.path.parents))
    folders = {ROOT / "tests" / name for name in UNIT_FOLDERS}
    for item in items:
        slow = item.get_closest_marker("slow") or item.path.name in LONGER
        if folders & set(item.path.parents) and not slow:
            item.add_marker("unit")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """With PPDET_REQUIRE_GOLDEN (CI), a test of measured numbers that skips although they are there has failed."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("PPDET_REQUIRE_GOLDEN") and "shared" in getattr(item, "fixturenames", ()):
        places = [SHARED, Path(os.environ.get("PPDET_SHARED", SHARED))]
        if any(place.is_dir() for place in places):
            report.outcome, report.longrepr = "failed", f"skipped although {SHARED.name} is there: {report.longrepr}"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What a test sets up (tools call setup_logging) must not reach the next test, whatever the order."""
    loggers = [logging.getLogger(name) for name in ("", "ppdet", "__main__")]
    before = [(each, each.level, list(each.handlers)) for each in loggers]
    yield
    for each, level, handlers in before:
        each.setLevel(level)
        each.handlers[:] = handlers


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As the golden figures were measured: threads share sums in another way."""
    yield
    paddle.base.core.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings draw results.png in its own tests only: a drawing takes a third of a second."""
    results = sys.modules.get("ppdet.training.callbacks.results")
    if results and request.path.name != "test_results.py":
        monkeypatch.setattr(results, "draw", lambda path, rows: None)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A config file that trains XS on six images of 60 x 80 at 64 x 64, into `<its folder>/output/tiny`."""
    write_dataset(tmp_path)
    return write_config(tmp_path)
