"""The lock of an output folder, between real processes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.utils import folder_lock as module
from ppdet.utils.folder_lock import folder_lock

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import os, sys
from pathlib import Path
from ppdet.utils.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1]), "go elsewhere"):
    if not os.fork():  # as a reader process, which may outlive a killed run
        os.write(1, b"forked\\n")
        sys.stdin.read()
        os._exit(0)
    os.write(1, b"locked\\n")
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its stdin ends, and has a child."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout
    assert {process.stdout.readline(), process.stdout.readline()} == {"forked\n", "locked\n"}
    return process


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(
            UserError, match=rf"^{tmp_path}: process {process.pid} on \S+ is at work there; .*elsewhere$"
        ):
            folder_lock(tmp_path, "go elsewhere").__enter__()
        assert process.stdin
        process.stdin.close()
    with folder_lock(tmp_path, "go elsewhere"):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")


def test_death_drops_the_lock_even_if_a_child_lives_on(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with folder_lock(tmp_path, "go elsewhere"):
            pass


def test_nothing_is_left(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "new", "go elsewhere"):
        assert (tmp_path / "new" / ".lock").exists()
    with folder_lock(tmp_path / "used", "go elsewhere"):
        (tmp_path / "used" / "file").touch()
    assert [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*"))] == [Path("used"), Path("used/file")]


def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*args: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(module.fcntl, "lockf", fails)
    with folder_lock(tmp_path, "go elsewhere"):
        pass
    assert f"{tmp_path}: the file system has no locks (No locks available)" in caplog.text


def test_a_folder_that_cannot_be_made_is_left_to_the_first_writer(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with folder_lock(tmp_path / "file" / "below", "go elsewhere"):
        pass
