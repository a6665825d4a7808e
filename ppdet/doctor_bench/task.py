"""A measurement as it is asked for, and what came of it. Both travel between processes as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ppdet.core.errors import UserError
from ppdet.runtime.cpu_tuning import tune_process
from ppdet.session import Session, open_session


class NotMeasured(UserError):
    """What was to be measured is not there; nothing is broken."""


@dataclass(frozen=True)
class Task:
    """One measurement.

    Attributes:
        title: what the report calls it.
        kind: its name in `worker.MEASUREMENTS`.
        config: the config, a file or a name.
        overrides: of the config, as `-o` takes them.
        seconds: the time for the measurement itself, without the start of the process and the warm-up.
        mode: of a train step: "float32", "amp" or "to_static".
        batch: images of a train step; 0: as many as the config trains with, or fewer on a slow device.
        steps: how many make a block of train steps, 0: as many as fit; of a training, the updates of a log line.
    """

    title: str
    kind: str
    config: str
    overrides: Sequence[str]
    seconds: float
    mode: str = "float32"
    batch: int = 0
    steps: int = 0


@dataclass(frozen=True)
class Result:
    """What a task gave.

    Attributes:
        lines: title and text of each line of the report.
        numbers: what other tasks need.
        failed: whether something is broken.
    """

    lines: Sequence[tuple[str, str]]
    numbers: dict[str, Any] = field(default_factory=dict)
    failed: bool = False


def open_task(task: Task, *overrides: str) -> Session:
    """The session of a task's config, with more overrides. Sets up the process as a command does."""
    session = open_session(task.config, [*task.overrides, *overrides])
    if session.device == "cpu":
        tune_process()
    return session
