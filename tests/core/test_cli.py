from __future__ import annotations

import argparse
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ppdet.core.cli import Parser, add_run_options, run
from ppdet.core.errors import UserError
from ppdet.deploy.errors import DeployError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yml"
    path.write_text("epoch: 1")
    return path


def run_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="test")
    add_run_options(parser)
    return parser


def test_overrides_repeat_and_take_several_values() -> None:
    args = run_parser().parse_args(["-o", "a=1", "b=2", "-c", "file.yml", "--opt", "c=-3", "-o"])
    assert (args.config, args.opt, args.debug) == ("file.yml", ["a=1", "b=2", "c=-3"], False)
    assert run_parser().parse_args(["-c", str(config)]).opt == []


def test_missing_config_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(print, run_parser(), [])
    assert exit_.value.code == 2
    required = "the following arguments are required: -c/--config"
    assert capsys.readouterr().err == f"error: {required}; test --help lists the options\n"


def test_a_deploy_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(args: argparse.Namespace) -> None:
        raise DeployError("model.onnx: wrong")

    with pytest.raises(SystemExit) as exit_:
        run(fail, Parser(), [])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: model.onnx: wrong\n"


def test_a_file_that_may_not_be_used_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def open_it(args: argparse.Namespace) -> None:
        raise PermissionError(13, "Permission denied", "my/data.yaml")

    with pytest.raises(SystemExit) as exit_:
        run(open_it, Parser(), [])
    assert exit_.value.code == 2
    said = "error: my/data.yaml: cannot be used (Permission denied); give yourself the right, or another path\n"
    assert capsys.readouterr().err == said


def fail(args: argparse.Namespace) -> None:
    raise UserError("LCNet.scale: wrong\nand long")


def interrupt(args: argparse.Namespace) -> None:
    raise KeyboardInterrupt


def test_user_error_is_one_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(fail, run_parser(), ["-c", str(config)])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: LCNet.scale: wrong and long\n"


ODD = "out  put/\x1b]0;title\x07\u202egpj.\udcff\x85\tname"
SHOWN = r"out  put/\x1b]0;title\x07\u202egpj.\udcff\x85\x09name"


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_a_name_gives_the_terminal_no_commands(
    debug: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: argparse.Namespace) -> None:
        raise UserError(f"{ODD}: there is no such\r\nfile")

    with pytest.raises(SystemExit):
        run(fail, run_parser(), ["-c", str(config), *debug])
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == f"error: {SHOWN}: there is no such file"
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 1 or debug


def test_a_key_of_a_config_gives_the_terminal_no_commands(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text('"\\e]0;pwned\\a\\e[31mred": [')
    with pytest.raises(SystemExit):
        run(print, run_parser(), ["-c", str(config)])
    err = capsys.readouterr().err
    assert err.endswith("\n")
    assert err[:-1].isprintable()


def test_warnings_are_lines_without_commands(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", None)
    run(print, run_parser(), ["-c", str(config)])
    assert warnings.formatwarning(ODD, UserWarning, "f.py", 3) == f"f.py:3: UserWarning: {SHOWN}\n"


def test_debug_shows_the_trace(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(fail, run_parser(), ["-c", str(config), "--debug"])
    assert exit_.value.code == 2
    assert "Traceback" in capsys.readouterr().err


def test_interrupt_exits_130(config: Path) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(interrupt, run_parser(), ["-c", str(config)])
    assert exit_.value.code == 130


def test_other_errors_are_not_hidden(config: Path) -> None:
    def crash(args: argparse.Namespace) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(crash, run_parser(), ["-c", str(config)])


@pytest.mark.parametrize(
    ("text", "opt", "said"),
    [
        (None, [], "cannot be read"),
        ("a: [", [], "not a valid config"),
        ("a: 1", ["a.b=2"], "nothing can be set inside"),
    ],
)
def test_a_config_that_cannot_be_read_keeps_the_tool_from_starting(tmp_path, capsys, text, opt, said) -> None:
    file = tmp_path / "c.yml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit) as exit_:
        run(interrupt, run_parser(), ["-c", str(file), "-o", *opt])
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


def test_core_imports_nothing_heavy() -> None:
    modules = "ppdet.core.cli, ppdet.core.config, ppdet.core.registry, ppdet.core.settings"
    code = f"import sys, {modules}; print(*{{'paddle', 'numpy', 'cv2'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
