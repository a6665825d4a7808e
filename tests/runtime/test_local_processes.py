"""Processes that are started as ranks of one job."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from ppdet.runtime.local_processes import run_processes


def test_each_process_is_a_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_PORT", "1")  # of another job
    program = f"""
import os
names = ["PADDLE_TRAINERS_NUM", "PADDLE_LOCAL_SIZE", "MASTER_PORT", "CARD"]
rank, ends = int(os.environ["PADDLE_TRAINER_ID"]), os.environ["PADDLE_TRAINER_ENDPOINTS"].split(",")
assert (os.environ["PADDLE_CURRENT_ENDPOINT"], os.environ["PADDLE_MASTER"]) == (ends[rank], ends[0])
assert len(set(ends)) == 2
open(f"{tmp_path}/{{rank}}", "w").write(" ".join(os.environ.get(name, "-") for name in names))
"""
    run_processes([sys.executable, "-c", program], [{"CARD": "a"}, {"CARD": "b"}], 60)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["2 2 - a", "2 2 - b"]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            "import os, time; os.environ['X'] == '1' and exit('no route'); time.sleep(600)",
            "process 1 of 2 ended with status 1: no route",
        ),
        ("import time; time.sleep(600)", "2 processes did not finish in 1 s"),
    ],
)
def test_the_first_failure_ends_all(program: str, message: str) -> None:
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=f"^{message}$"):
        run_processes([sys.executable, "-c", program], [{"X": "0"}, {"X": "1"}], 1 if "finish" in message else 300)
    assert time.monotonic() - start < 100
