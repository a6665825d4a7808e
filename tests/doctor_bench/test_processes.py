"""Tasks in real processes: one that works, one that dies, one that hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.doctor_bench import processes
from ppdet.doctor_bench.processes import run_task
from ppdet.doctor_bench.task import Result, Task


def worker(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let `program` take the place of the worker; it has `task` and the path `result`."""
    start = "import json, os, sys, time\ntask = json.load(open(sys.argv[1]))\nresult = sys.argv[2]\n"
    (folder / "stub_worker.py").write_text(start + program)
    monkeypatch.setattr(processes, "_WORKER", "stub_worker")
    monkeypatch.setattr(processes, "_ROOT", folder)


TASK = Task("reader", "reader", "x.yml", ["a=b"], 0.001)


def test_the_result_of_rank_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
print("plug-ins write to stdout")
lines = [[task["title"], os.environ["CARD"] + " " + str(task["overrides"])]]
if os.environ["PADDLE_TRAINER_ID"] == "0":
    json.dump({"lines": lines, "numbers": {"batch": 2}, "failed": False}, open(result, "w"))
"""
    worker(tmp_path, monkeypatch, program)
    found = run_task(TASK, [{"CARD": "first"}, {"CARD": "second"}])
    assert found == Result([("reader", "first ['a=b']")], {"batch": 2})


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("os.kill(os.getpid(), 9)", "failed: process 0 of 1 was ended by signal 9 (Killed)"),
        ("raise ValueError('no kernel')", "failed: process 0 of 1 ended with status 1: ValueError: no kernel"),
        ("time.sleep(600)", "failed: the process did not finish in 2.004 s"),
    ],
)
def test_a_process_that_dies_or_hangs_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, text: str
) -> None:
    worker(tmp_path, monkeypatch, program)
    assert run_task(TASK, start=2) == Result([("reader", text)], failed=True)


def test_a_process_that_is_killed_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"""
import pathlib, tempfile
left = tempfile.mkdtemp()
pathlib.Path({str(tmp_path / "left")!r}).write_text(left)
os.kill(os.getpid(), 9)
"""
    worker(tmp_path, monkeypatch, program)
    assert run_task(TASK).failed
    assert not Path((tmp_path / "left").read_text()).exists()


def test_the_real_worker() -> None:
    found = run_task(Task("reader", "reader", "none.yml", [], 1.0))
    [(_, text)] = found.lines
    assert text.startswith("not measured: none.yml: cannot be read, no such file or directory")
    assert not found.failed
