"""Whatever stdout and stderr are connected to, a command line does its work to the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from ppdet.deploy.console import guard_output
guard_output()
print("名前 \\udc80 first", file=sys.stderr)
for number in range(20000):
    print("名前", number)
sys.stderr.write("")
file = open("done", "w")
print("last", file=sys.stderr, flush=True)
file.write(f"{file.fileno() > 2} {sys.stdout.encoding} {sys.stderr.isatty()}")
"""


def shell(tmp_path: Path, command: str, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    """Runs `command` in a folder with program.py; $P runs it, and the status is that of P in a pipe."""
    (tmp_path / "program.py").write_text(program)
    script = f'set -o pipefail; P="{sys.executable} program.py"; {command}'
    return subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    "command",
    [
        "$P | true",
        "$P | head -1",
        "$P 2>&1 | true",
        "$P >&-",
        "$P 2>&-",
        "$P >&- 2>&- <&-",
        "$P > /dev/full",
        "$P 2> /dev/full",
        "$P > /dev/full 2>&1",
        "PYTHONIOENCODING=ascii $P",
        "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 $P",
        "PYTHONUNBUFFERED=1 $P | true",
    ],
)
def test_the_work_is_done(tmp_path: Path, command: str) -> None:
    done = shell(tmp_path, command)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert (tmp_path / "done").read_text().startswith("True ")


def test_a_full_device_is_said_once(tmp_path: Path) -> None:
    assert shell(tmp_path, "$P > /dev/full").stderr.count("stdout: cannot be written (No space left on device)") == 1


def test_output_is_as_without_the_guard(tmp_path: Path) -> None:
    expected = shell(tmp_path, "$P", PROGRAM.replace("guard_output()\n", "").replace("\\udc80 ", ""))
    found = shell(tmp_path, "$P", PROGRAM.replace("\\udc80 ", ""))
    assert (found.stdout, found.stderr) == (expected.stdout, expected.stderr)
    assert "名前 19999\n" in found.stdout


def test_characters_outside_the_encoding_are_escaped(tmp_path: Path) -> None:
    done = shell(tmp_path, "PYTHONIOENCODING=ascii $P")
    assert done.stdout.startswith("\\u540d\\u524d 0\n")
    assert done.stderr.startswith("\\u540d\\u524d \\udc80 first\n")


@pytest.mark.parametrize(
    "program",
    [
        "tools/eval.py",
        "tools/benchmark.py",
        "deploy/python/infer.py",
        "dataset/coco/download_coco.py",
        "dataset/demo/make_demo.py",
    ],
)
def test_every_program_has_the_guard(program: str) -> None:
    command = f"set -o pipefail; {sys.executable} {program} --help | true"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("unbuffered", "stream"), [("", "stderr"), ("1", "stderr"), ("1", "stdout")])
def test_a_line_is_in_the_file_before_the_program_ends(tmp_path: Path, unbuffered: str, stream: str) -> None:
    program = f"""
import os, sys
from ppdet.deploy.console import guard_output
guard_output()
print("a line", file=sys.{stream})
os._exit(0)  # as if it were killed: nothing is flushed from here on
"""
    done = shell(tmp_path, f"PYTHONUNBUFFERED={unbuffered} $P", program)
    assert (done.stdout + done.stderr).splitlines() == ["a line"]


LIBRARY = """
import ctypes
import subprocess
from ppdet.deploy.console import guard_output
print("before")
guard_output()
libc = ctypes.CDLL(None)
libc.printf(b"matex_gpu plugin")  # kept in a buffer of the library until the program ends
print("ours")
subprocess.run(["echo", "child"], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="calls the C library by its Linux name")
@pytest.mark.parametrize("command", ["$P", "$P | cat"])
def test_stdout_is_for_the_program_alone(tmp_path: Path, command: str) -> None:
    done = shell(tmp_path, command, LIBRARY)
    assert done.stdout == "before\nours\n"
    assert done.stderr == "child\nmatex_gpu plugin"
