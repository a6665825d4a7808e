"""The package as pip installs it: the configs are inside, and the command works outside of a clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.workspaces import ROOT

FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "requirements.txt", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package's files are built into, for PYTHONPATH."""
    source = tmp_path_factory.mktemp("source")
    for name in FILES:
        shutil.copy(ROOT / name, source)
    for name in ("ppdet", "configs", "deploy/web"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("installed")
    (target / "ppdet" / "configs").mkdir(parents=True)
    (target / "ppdet" / "configs" / "of_an_earlier_build.yml").touch()
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)
    return target


def start(installed: Path, cwd: Path, *argv: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "ppdet", *argv]
    return subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, text=True).stdout


def test_every_config_is_inside(installed: Path) -> None:
    inside = {file.relative_to(installed / "ppdet") for file in (installed / "ppdet" / "configs").rglob("*.yml")}
    assert inside == {file.relative_to(ROOT) for file in (ROOT / "configs").rglob("*.yml")}
    assert (installed / "ppdet" / "py.typed").is_file()


def test_the_templates_are_inside(installed: Path) -> None:
    inside, of_clone = (
        {file.name for file in (root / "ppdet/report/templates").iterdir()} for root in (installed, ROOT)
    )
    assert inside == of_clone >= {"report.html", "report.css", "report.js"}


def test_the_page_is_inside(installed: Path) -> None:
    inside = {file.name for file in (installed / "ppdet/web/page").iterdir()}
    assert inside >= {"index.html", "picodet.js", "picodet.d.ts", "worker.js", "style.css"}
    assert "node_modules" not in inside


def test_the_command_works_outside_of_a_clone(installed: Path, tmp_path: Path) -> None:
    assert "picodet_l_640_coco\n" in start(installed, tmp_path, "config", "--list")
    assert "num_classes: 80\n" in start(installed, tmp_path, "config", "-c", "picodet_s_320_coco_lcnet")
    assert "epoch: 300\n" in start(installed, tmp_path, "config", "-c", "configs/picodet/picodet_s_320_coco_lcnet.yml")
