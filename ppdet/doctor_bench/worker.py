"""Runs one measurement in a process of its own: `python3 -m ppdet.doctor_bench.worker <task.json> <result.json>`.

A crash or a hang of a device's library then costs one line of the report.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ppdet.core.errors import UserError, out_of_memory, telling_line
from ppdet.deploy.files import write_bytes
from ppdet.doctor_bench.accuracy import measure_accuracy
from ppdet.doctor_bench.data_speed import measure_reader, measure_traffic, measure_training
from ppdet.doctor_bench.task import Result, Task
from ppdet.doctor_bench.train_speed import measure_train_step
from ppdet.runtime import distributed
from ppdet.utils.logging import setup_logging

MEASUREMENTS: dict[str, Callable[[Task], Result]] = {
    "train_step": measure_train_step,
    "reader": measure_reader,
    "training": measure_training,
    "traffic": measure_traffic,
    "accuracy": measure_accuracy,
}


def main(task_file: Path, result_file: Path) -> None:
    """Measure, and write the result from rank 0."""
    warnings.simplefilter("ignore")
    distributed.init()
    setup_logging(rank=distributed.rank())
    result = run(Task(**json.loads(task_file.read_text(encoding="utf-8"))))
    if distributed.rank() == 0:
        write_bytes(result_file, json.dumps(asdict(result)).encode())


def run(task: Task) -> Result:
    """The result of a task; what cannot be measured is a line too."""
    try:
        return MEASUREMENTS[task.kind](task)
    except Exception as error:
        known = error if isinstance(error, UserError) else out_of_memory(error)
        if known is not None:
            return Result([(task.title, f"not measured: {known}")])
        message = f"failed: {type(error).__name__}: {telling_line(str(error))}"
        return Result([(task.title, message)], failed=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
