"""Real training processes, to be signalled and killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.workspaces import ROOT, Workspace

TRAIN = str(ROOT / "tools" / "train.py")
PATCHED = "patched.py"
LAUNCH = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node"]

_PATCHED = """
import os, sys, time
sys.path.insert(0, {root!r})
import cv2  # after Paddle 2.6.2 it would read no PNG
from ppdet.cli import run_tool
from ppdet.runtime import distributed
from ppdet.training import loop as train
{patch}
run_tool("train")
"""


def command(coco: Workspace, *argv: str, ranks: int = 1) -> list[str]:
    """A command line that trains on `ranks` processes."""
    return [*(LAUNCH + [str(ranks)] if ranks > 1 else [sys.executable]), TRAIN, "-c", str(coco.config), *argv]


def command_with(coco: Workspace, patch: str, *argv: str) -> list[str]:
    """As `command` on two processes, of which each first runs the Python code `patch`."""
    script = coco.root / PATCHED
    script.write_text(_PATCHED.format(root=str(ROOT), patch=patch))
    return [*LAUNCH, "2", str(script), "-c", str(coco.config), *argv]


@contextmanager
def started(coco: Workspace, argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process in a session of its own, stdout and stderr as one; none of it is left afterwards."""
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=coco.root, start_new_session=True
    )
    try:
        yield process
    finally:
        for pid in [*descendants(process.pid), process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """What the process prints up to a line that holds the regular expression."""
    lines = []
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return "".join(lines)
    raise AssertionError("".join(lines))


def descendants(pid: int) -> list[int]:
    try:
        children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [below for child in children for below in (child, *descendants(child))]


def trainers(pid: int) -> dict[int, int]:
    """Rank -> process id of the training processes under `pid`."""
    found: dict[int, int] = {}
    for child in descendants(pid):  # a rank comes before its reader processes, which look the same
        try:
            environment = Path(f"/proc/{child}/environ").read_bytes()
            line = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        rank = re.search(rb"PADDLE_TRAINER_ID=(\d+)", environment)
        if (TRAIN.encode() in line or PATCHED.encode() in line) and b"paddle.distributed.launch" not in line:
            found.setdefault(int(rank[1]) if rank else 0, child)
    return found
