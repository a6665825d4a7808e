"""Tests on the plug-in device skip, and say why, if it cannot be compiled."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.device.build import missing_tool
from tests.device.conftest import build_or_skip


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"^the plug-in device needs g\+\+$"):
        build_or_skip(tmp_path)
    (tmp_path / "g++").touch(0o755)
    assert missing_tool() == ""


def test_on_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert missing_tool() == "the plug-in device needs Linux"
