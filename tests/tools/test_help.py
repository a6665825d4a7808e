"""Help and argument errors answer at once, from anywhere."""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from pathlib import Path

import pytest

from ppdet.cli import tool_parser
from tests.support.workspaces import ROOT

COMMANDS = {"export_model": "export", "post_quant": "quantize"}  # the others have their tool's name
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))
REQUIRED = {  # in place of --config
    "benchmark": ["--model", "x"],
    "data": ["check", "x"],
    "infer": ["--config", "x.yml", "--infer_img", "x"],
}
SHOW_PADDLE = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("heavy:", *sorted({"paddle", "numpy", "cv2"} & set(sys.modules)))
"""


def parser(name: str) -> argparse.ArgumentParser:
    return tool_parser(COMMANDS.get(name, name), f"tools/{name}.py")


def start(*argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SHOW_PADDLE, *map(str, argv)], cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("name", TOOLS)
def test_help_needs_no_paddle(name: str, tmp_path: Path) -> None:
    done = start(ROOT / "tools" / f"{name}.py", "--help", cwd=tmp_path)
    assert done.returncode == 0
    about = ast.get_docstring(ast.parse((ROOT / "tools" / f"{name}.py").read_text()))
    assert about.split(":")[0] in done.stdout
    assert f"example: python3 {ROOT / 'tools' / name}.py {'check' if name == 'data' else '-'}" in done.stdout
    assert REQUIRED.get(name, ["--config"])[0] in done.stdout
    assert done.stdout.endswith("heavy:\n")


@pytest.mark.parametrize("name", TOOLS)
def test_an_unknown_argument_needs_no_paddle(name: str, tmp_path: Path) -> None:
    required = REQUIRED.get(name, ["-c", "x.yml"])
    done = start(ROOT / "tools" / f"{name}.py", *required, "--fast", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unrecognized arguments: --fast; python3 ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == "heavy:\n"


CONFIG = {"-h", "--help", "-c", "--config", "-o", "--opt", "--device", "--debug"}
MODEL = CONFIG | {"--remap_classes"}
SLIM = MODEL | {"--slim_config"}
PUBLISHED = {
    "train": SLIM | {"--eval", "-r", "--resume", "--amp", "--to_static", "--seed", "--use_vdl", "--vdl_log_dir"},
    "eval": SLIM | {"--classwise", "--output_eval", "--json_eval", "--report", "--compare"},
    "infer": SLIM
    | {"--infer_img", "--infer_dir", "--output_dir", "--draw_threshold", "--save_results"}
    | {"--thresholds"},
    "thresholds": MODEL | {"--precision", "--recall", "--f1", "--iou", "--detections", "--output"},
    "export_model": SLIM
    | {"--output_dir", "--format", "--nms", "--post_process", "--layout", "--boxes", "--fuse_normalize"}
    | {"--input_dtype", "--fuse_conv_bn", "--batch_size", "--dynamic_size", "--opset", "--fp16", "--thresholds"}
    | {"--tool_env", "--measure"},
    "post_quant": SLIM
    | {"--output_dir", "--format", "--calib_images", "--tolerance", "--thresholds", "--report"}
    | {"--qat", "--target", "--tool_env", "--float_depthwise"},
    "benchmark": {"-h", "--help", "--model", "--backend", "--threads", "--batch_size", "--image", "--image_dir"}
    | {"--repeats", "--output"},
    "data": {"-h", "--help"},
}


@pytest.mark.parametrize("name", TOOLS)
def test_the_flags_are_those_that_were_published(name: str) -> None:
    assert {flag for action in parser(name)._actions for flag in action.option_strings} == PUBLISHED[name]


def test_options_that_are_paths_know_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    names = []
    for name in TOOLS:
        for action in parser(name)._actions:
            if action.metavar in ("FILE", "DIR", "PATH", "PATH|auto") and action.dest != "config":
                assert Path(action.type("~/x")) == Path("/home/me/x"), (name, action.dest)
                names.append(action.dest)
    assert {"output_dir", "infer_img", "infer_dir", "output_eval", "resume", "vdl_log_dir", "model"} <= set(names)


@pytest.mark.parametrize(
    ("name", "argv", "said"),
    [
        ("infer", ["-c", "x.yml"], "one of the arguments --infer_img --infer_dir is required"),
        ("infer", ["-c", "x.yml", "--infer_img", "a.jpg", "--draw_threshold", "high"], "--draw_threshold: expected"),
        ("train", ["--eval"], "the following arguments are required: -c/--config"),
        ("train", ["-c", "x.yml", "--seed", "luck"], "--seed: invalid"),
    ],
)
def test_wrong_arguments(name: str, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parser(name).parse_args(argv)
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
