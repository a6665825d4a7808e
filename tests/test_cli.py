"""The `ppdet` command: quick help, one-line errors, and configs by name from any folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ppdet import __version__
from ppdet.cli import COMMANDS, main, tool_parser
from ppdet.core.shipped_configs import shipped_configs
from tests.support.workspaces import ROOT

SHOW_HEAVY = """
import sys
from ppdet.cli import main
try:
    main(sys.argv[1:])
finally:
    print("heavy:", *sorted({"paddle", "numpy", "cv2"} & set(sys.modules)))
"""


def start(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python program outside of the clone, which is on its path as if it were installed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, *map(str, command)]
    return subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("argv", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_is_quick(argv: list[str], tmp_path: Path) -> None:
    done = start("-c", SHOW_HEAVY, *argv, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("heavy:\n")


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(re.search(rf"^    {name}\b", out, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "-h"])
    example = capsys.readouterr().out.splitlines()[-1]
    assert example.startswith(f"example: ppdet {name}")
    tool_parser(name, "ppdet").parse_args(shlex.split(example)[3:])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"ppdet {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["foo"], "error: argument command: invalid choice: 'foo'"),
        ([], "error: the following arguments are required: command"),
        (["doctor", "--fast"], "error: unrecognized arguments: --fast"),
        (["train", "-c", "x.yml", "--seed", "luck"], "error: argument --seed: invalid int value: 'luck'"),
        (["config"], "error: one of the arguments -c/--config --list is required"),
        (["train", "-c", "x.yml"], "error: x.yml: cannot be read, no such file or directory"),
        (["benchmark", "--model", "x"], "error: x: there is no such file or folder"),
    ],
)
def test_mistakes_are_one_line(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(argv)
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert said.count("\n") == 1


def test_a_name_that_is_nearly_right(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "-c", "picodet_s_320_lcnet"])
    error = capsys.readouterr().err
    assert "or a name, as picodet_s_320_coco_lcnet or" in error
    assert error.endswith("; ppdet config --list prints all names\n")


def test_the_list_of_configs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["config", "--list"])
    names = capsys.readouterr().out.splitlines()
    assert names == list(shipped_configs())
    assert {"picodet_s_320_coco_lcnet", "picodet_s_320_coco", "picodet_xs_demo"} <= set(names)


def test_a_config_by_name_outside_of_a_clone(tmp_path: Path) -> None:
    done = start("-m", "ppdet", "config", "-c", "picodet_xs_320_coco_lcnet", "-o", "epoch=7", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epoch: 7\n" in done.stdout
    assert "filename: picodet_xs_320_coco_lcnet\n" in done.stdout


def test_a_dataset_outside_of_a_clone_is_looked_for_in_the_current_folder(tmp_path: Path) -> None:
    done = start("-m", "ppdet", "eval", "-c", "picodet_xs_320_coco_lcnet", "-o", "weights=x", cwd=tmp_path)
    assert done.returncode == 2
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: dataset/coco/annotations/instances_val2017.json: there is no such file")
    assert "dataset_dir" in error
