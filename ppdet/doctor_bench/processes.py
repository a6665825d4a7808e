"""Runs tasks in processes of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from ppdet.doctor_bench.task import Result, Task
from ppdet.runtime.local_processes import run_processes

_ROOT = Path(__file__).resolve().parents[2]  # of the package ppdet, which need not be installed
_WORKER = "ppdet.doctor_bench.worker"
START = 180.0  # seconds, at most, for a process and its warm-up


def run_task(task: Task, environments: Sequence[Mapping[str, str]] = ({},), start: float = START) -> Result:
    """Run a task in one process for each of `environments`, and return the result of the first.

    A process that dies, or takes longer than `start` and four times the task's seconds, gives a failed result.
    """
    with TemporaryDirectory(prefix="ppdet-") as name:
        task_file, result_file = (Path(name) / file for file in ("task.json", "result.json"))
        task_file.write_text(json.dumps(asdict(task)), encoding="utf-8")
        paths = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", _WORKER, str(task_file), str(result_file)]
        try:
            common = {"PYTHONPATH": paths, "TMPDIR": name}  # what a process that is killed leaves behind goes with it
            run_processes(command, [{**common, **each} for each in environments], start + 4 * task.seconds)
        except RuntimeError as error:
            return Result([(task.title, f"failed: {error}")], failed=True)
        found = json.loads(result_file.read_text(encoding="utf-8"))
    return Result([(title, text) for title, text in found["lines"]], found["numbers"], found["failed"])
