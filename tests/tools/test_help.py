"""Help and argument errors answer at once, from anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.workspaces import ROOT, load_tool

TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))
REQUIRED = {"benchmark": ["--model", "x"]}  # of a tool that runs exported models, without a config
SHOW_PADDLE = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("heavy:", *sorted({"paddle", "numpy", "cv2"} & set(sys.modules)))
"""


def start(*argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SHOW_PADDLE, *map(str, argv)], cwd=cwd, capture_output=True, text=True, timeout=20
    )


@pytest.mark.parametrize("name", TOOLS)
def test_help_needs_no_paddle(name: str, tmp_path: Path) -> None:
    done = start(ROOT / "tools" / f"{name}.py", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert load_tool(name).__doc__.split(":")[0] in done.stdout
    assert REQUIRED.get(name, ["--config"])[0] in done.stdout
    assert done.stdout.endswith("heavy:\n")


@pytest.mark.parametrize("name", TOOLS)
def test_an_unknown_argument_needs_no_paddle(name: str, tmp_path: Path) -> None:
    required = REQUIRED.get(name, ["-c", "x.yml", "--infer_img", "x"])
    done = start(ROOT / "tools" / f"{name}.py", *required, "--fast", cwd=tmp_path)
    assert done.returncode == 2
    assert "unrecognized arguments" in done.stderr
    assert "--fast" in done.stderr.splitlines()[-1]
    assert done.stdout == "heavy:\n"


def test_options_that_are_paths_know_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    names = []
    for name in TOOLS:
        for action in load_tool(name).parser()._actions:
            if action.metavar in ("FILE", "DIR", "PATH", "PATH|auto") and action.dest != "config":
                assert Path(action.type("~/x")) == Path("/home/me/x"), (name, action.dest)
                names.append(action.dest)
    assert {"output_dir", "infer_img", "infer_dir", "output_eval", "resume", "vdl_log_dir", "model"} <= set(names)


@pytest.mark.parametrize(
    ("name", "argv", "said"),
    [
        ("infer", ["-c", "x.yml"], "one of the arguments --infer_img --infer_dir is required"),
        ("infer", ["-c", "x.yml", "--infer_img", "a.jpg", "--draw_threshold", "high"], "--draw_threshold: invalid"),
        ("train", ["--eval"], "the following arguments are required: -c/--config"),
        ("train", ["-c", "x.yml", "--seed", "luck"], "--seed: invalid"),
    ],
)
def test_wrong_arguments(name: str, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        load_tool(name).parser().parse_args(argv)
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
