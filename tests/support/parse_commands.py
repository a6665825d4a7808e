"""Parses command lines without running them: reads a JSON list of argument lists, writes one result for each.

A result is null, or what is wrong with the command: its script is missing, its options do not parse, its config or one
of its `-o` overrides is refused. Run as a program, in the folder that the commands are for.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import runpy
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # after -m, the clone that has this file

PYTHON = ("python", "python3")


class Parsed(BaseException):
    """Carries the parsed arguments out of a program, past its `except Exception`."""


class Wrong(Exception):
    """What is wrong with a command."""


def main() -> None:
    from tests.support.remembered import remember_answers

    remember_answers()
    parse = argparse.ArgumentParser.parse_args

    def parse_and_leave(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> Any:
        raise Parsed(parse(self, *args, **kwargs))

    argparse.ArgumentParser.parse_args = parse_and_leave  # type: ignore[method-assign]
    json.dump([problem(command) for command in json.load(sys.stdin)], sys.__stdout__)


def problem(command: Sequence[str]) -> str | None:
    """Returns what is wrong with a command, or None."""
    from ppdet.core.errors import UserError

    try:
        check(command)
    except (Wrong, UserError, SyntaxError) as error:
        return str(error) or type(error).__name__
    return None


def check(command: Sequence[str]) -> None:
    """Parse `python3 …` or `ppdet …`, and check the config that it names."""
    program, *rest = command
    if program not in PYTHON:
        check_config(arguments("-m", "ppdet", rest))
    elif rest[0] == "-c":
        compile(rest[1], "-c", "exec")
    elif rest[:2] == ["-m", "paddle.distributed.launch"]:
        check(["python3", *launched(rest[2:])])
    elif rest[0] == "-m":
        check_config(arguments("-m", rest[1], rest[2:]))
    elif not Path(rest[0]).is_file():
        raise Wrong(f"{rest[0]}: there is no such script")
    else:
        check_config(arguments("", rest[0], rest[1:]))


def arguments(kind: str, program: str, rest: Sequence[str]) -> argparse.Namespace:
    """Start a module (kind "-m") or a script as far as its argument parser, and return what that found."""
    sys.argv = [program, *rest]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            if kind:
                runpy.run_module(program, run_name="__main__", alter_sys=True)
            else:
                sys.path.insert(0, str(Path(program).resolve().parent))
                runpy.run_path(program, run_name="__main__")
    except Parsed as parsed:
        namespace: argparse.Namespace = parsed.args[0]
        return namespace
    except SystemExit as leaving:
        if leaving.code not in (None, 0):  # --help ends with 0
            raise Wrong(said.getvalue().strip()) from None
    return argparse.Namespace()


def launched(rest: Sequence[str]) -> list[str]:
    """The script and its arguments in those of Paddle's launcher."""
    from paddle.distributed.launch.context.args_envs import parse_args

    sys.argv = ["launch", *rest]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options, unknown = parse_args()
    except SystemExit:
        raise Wrong(said.getvalue().strip()) from None
    if unknown:
        raise Wrong(f"paddle.distributed.launch: unknown options {unknown}")
    return [options.training_script, *options.training_script_args]


def check_config(parsed: argparse.Namespace) -> None:
    """Read and check the config that a command names, with its overrides."""
    if not getattr(parsed, "config", None):
        return
    from ppdet.core.settings import ExportSettings
    from ppdet.session import open_session

    names = {field.name for field in fields(ExportSettings)}
    options = [f"export.{name}={value}" for name, value in vars(parsed).items() if name in names and value is not None]
    open_session(parsed.config, [*getattr(parsed, "opt", []), *options])


if __name__ == "__main__":
    main()
