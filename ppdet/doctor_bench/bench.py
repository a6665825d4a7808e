"""The report of `ppdet doctor --bench`: a block of text that can be pasted into an issue."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ppdet import __version__
from ppdet.deploy.cpus import allowed_cores
from ppdet.deploy.errors import printable
from ppdet.doctor.report import find_devices, find_software
from ppdet.doctor_bench.plan import Plan

_PATH = re.compile(r"(?<![\w:/.~…])~?/[^\s'\",;:()]*")
_TELL_NOTHING = {"", "root", "localhost"}
_WIDTH = 28  # of titles


def bench(plan: Plan, write: Callable[[str], None]) -> tuple[str, bool]:
    """Measure all that is in the plan, and hand each line to `write` as soon as it is known.

    Returns:
        The whole report, and whether everything works that was tried.
    """
    lines: list[str] = []
    works = True

    def say(line: str) -> None:
        lines.append(printable(line))
        write(lines[-1])

    say("```text")
    for line in describe_machine(plan):
        say(line)
    for result in plan.results():
        works = works and not result.failed
        for title, text in result.lines:
            say(f"{title + ':':<{_WIDTH}} {without_names(text)}")
    say("```")
    return "\n".join(lines) + "\n", works


def describe_machine(plan: Plan) -> Iterator[str]:
    """Yields the lines about the software, the devices and the plan."""
    yield f"ppdet {__version__} doctor --bench, {plan.seconds:g} s for each measurement"
    for found in (find_software(), find_devices()):
        yield without_names(", ".join(found.lines))
    yield f"{allowed_cores():g} CPU cores for this process"
    keys = sorted({override.partition("=")[0] for override in plan.overrides})
    changed = f", changed: {', '.join(keys)}" if keys else ""
    yield f"measured on {plan.device}, config {Path(plan.config).name}{changed}"


def without_names(text: str) -> str:
    """Returns `text` with the last names of absolute paths only, and without the names of the machine and the user."""
    for folder in (str(Path.cwd()), str(Path.home())):
        text = text.replace(f"{folder}/", "~/") if folder != "/" else text
    text = _PATH.sub(lambda path: f"…/{Path(path[0]).name}", text)
    if not re.match("failed|not measured", text):
        return text  # no message of a library, where a user's name can be a word
    for name in sorted(_names() - _TELL_NOTHING, key=len, reverse=True):  # the full name before its first part
        text = re.sub(rf"\b{re.escape(name)}\b", "…", text)
    return text


def _names() -> set[str]:
    names = {socket.gethostname(), socket.gethostname().split(".")[0]}
    with suppress(OSError, KeyError):  # a user without a name, as in some containers
        names.add(getpass.getuser())
    return names
