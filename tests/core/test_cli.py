from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from ppdet.core.cli import add_switch, base_parser, run
from ppdet.core.errors import UserError


def test_overrides_repeat_and_take_several_values() -> None:
    args = base_parser("test").parse_args(["-o", "a=1", "b=2", "-c", "file.yml", "--opt", "c=-3", "-o"])
    assert (args.config, args.opt, args.debug) == ("file.yml", ["a=1", "b=2", "c=-3"], False)
    assert base_parser("test").parse_args(["-c", "x"]).opt == []


def test_missing_config_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(print, base_parser("test"), [])
    assert exit_.value.code == 2
    assert "-c/--config" in capsys.readouterr().err


def fail(args: argparse.Namespace) -> None:
    raise UserError("LCNet.scale: wrong\nand long")


def interrupt(args: argparse.Namespace) -> None:
    raise KeyboardInterrupt


def test_user_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(fail, base_parser("test"), ["-c", "x"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: LCNet.scale: wrong and long\n"


def test_debug_shows_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(fail, base_parser("test"), ["-c", "x", "--debug"])
    assert exit_.value.code == 2
    assert "Traceback" in capsys.readouterr().err


def test_interrupt_exits_130() -> None:
    with pytest.raises(SystemExit) as exit_:
        run(interrupt, base_parser("test"), ["-c", "x"])
    assert exit_.value.code == 130


def test_other_errors_are_not_hidden() -> None:
    def crash(args: argparse.Namespace) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(crash, base_parser("test"), ["-c", "x"])


def test_core_imports_nothing_heavy() -> None:
    modules = "ppdet.core.cli, ppdet.core.config, ppdet.core.registry, ppdet.core.settings"
    code = f"import sys, {modules}; print(*{{'paddle', 'numpy', 'cv2'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("argv", "expected"),
    [([], False), (["--x"], True), (["--x=true"], True), (["--x", "True"], True), (["--x=false"], False)],
)
def test_switches_are_given_in_both_ways(argv, expected):
    parser = argparse.ArgumentParser()
    add_switch(parser, "--x", help="")
    assert parser.parse_args(argv).x is expected


def test_a_switch_takes_no_other_value(capsys):
    parser = argparse.ArgumentParser()
    add_switch(parser, "--x", help="")
    with pytest.raises(SystemExit):
        parser.parse_args(["--x=maybe"])
    assert "expected true or false, found 'maybe'" in capsys.readouterr().err
