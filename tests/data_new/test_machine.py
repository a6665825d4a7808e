"""The machine that a config is made for."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from ppdet.data_new import machine
from ppdet.data_new.machine import Machine, find_machine, smallest_card
from ppdet.deploy.cpus import allowed_cores


@pytest.mark.parametrize(
    ("listed", "expected"), [("24576\n", 24.0), ("32768\n16384\n", 16.0), ("", None), ("[N/A]\n", None)]
)
def test_the_smallest_card_counts(listed: str, expected: float | None) -> None:
    assert smallest_card(listed) == expected


def with_card(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str, package: str) -> Machine:
    """The machine that is found with a program nvidia-smi, and with one package installed."""

    def distribution(name: str) -> object:
        if name != package:
            raise metadata.PackageNotFoundError(name)
        return object()

    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(machine.metadata, "distribution", distribution)
    return find_machine()


def test_a_card_that_paddle_can_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = with_card(monkeypatch, tmp_path, "echo 24576", "paddlepaddle-gpu")
    assert found == Machine(True, 24.0, int(allowed_cores()))
    assert str(found) == "a card of 24 GB"


def test_a_card_beside_a_paddle_for_cpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = with_card(monkeypatch, tmp_path, "echo 24576", "paddlepaddle")
    assert not found.has_card
    assert 0.1 < found.memory < 100_000
    assert str(found) == f"a CPU with {found.cores} cores"


@pytest.mark.parametrize("script", ["exit 9", "echo nothing", "echo"])
def test_a_driver_that_does_not_answer(script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not with_card(monkeypatch, tmp_path, script, "paddlepaddle-gpu").has_card


def test_a_driver_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hang(*args: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 30)

    monkeypatch.setattr(machine.subprocess, "run", hang)
    assert not with_card(monkeypatch, tmp_path, "", "paddlepaddle-gpu").has_card
