"""The tiers of tests, and what CI asks of the tests that compare with measured numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

TESTS = """
import pytest

def test_golden(shared):
    pytest.skip("no runtime")

def test_other():
    pytest.skip("no runtime")
"""


def test_a_skipped_golden_test_fails_in_ci(tmp_path: Path) -> None:
    (tmp_path / "test_them.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "tests.conftest", str(tmp_path)]
    environment = os.environ | {"PPDET_SHARED": str(tmp_path), "PPDET_REQUIRE_GOLDEN": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert "1 failed, 1 skipped" in result.stdout
    assert "skipped although shared is there" in result.stdout


def test_the_unit_tier_is_the_fast_tests_of_the_unit_folders() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", "unit", "tests/metrics", "tests/doctor"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [line for line in result.stdout.splitlines() if "::" in line]
    assert any(name.startswith("tests/metrics/test_voc.py") for name in names)
    assert all(name.startswith("tests/metrics/") for name in names)
    assert "tests/metrics/test_coco_properties.py::test_two_thousand_files" not in names  # slow
