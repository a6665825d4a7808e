"""Ctrl-C in a real process: a checkpoint, no trace, and training goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.support.workspaces import ROOT, Tools, Workspace

CHECKPOINT = {f"interrupted{suffix}" for suffix in (".pdparams", ".pdema", ".pdopt", ".pdstate")}


def start(coco: Workspace, *argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "tools" / "train.py"), "-c", str(coco.config), *argv]
    # of a test run in the background it would inherit that Ctrl-C is ignored
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    lines = []
    assert process.stderr
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError("".join(lines))


def test_interrupt_and_resume(coco: Workspace, tools: Tools) -> None:
    process = start(coco, "-o", "epoch=10000", "worker_num=1")
    try:
        read_until(process, "step 2/3")
        os.killpg(process.pid, signal.SIGINT)  # the terminal sends it to the workers as well
        _, rest = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert f"interrupted; continue with -r {coco.output}/interrupted" in rest
    assert rest.splitlines()[-1] == "interrupted"
    assert {path.name for path in coco.output.glob("interrupted.*")} == CHECKPOINT
    tools.run("eval", "-c", coco.config, "-o", f"weights={coco.output}/interrupted")

    process = start(coco, "-o", "epoch=10000", "-r", str(coco.output))
    try:
        lines = read_until(process, "images/s")
    finally:
        process.kill()
        process.wait()
    place = next(line for line in lines if "resuming at epoch" in line).split("resuming at epoch ")[1]
    epoch, step = (int(word) for word in place.replace(",", "").split() if word.isdecimal())
    next_step = epoch * 3 + step + 1
    assert next_step > 2
    assert f"epoch {(next_step - 1) // 3 + 1}/10000 step {(next_step - 1) % 3 + 1}/3 " in lines[-1]


def test_interrupt_before_the_first_step(coco: Workspace) -> None:
    process = start(coco, "-o", "epoch=10000")
    try:
        read_until(process, "device: ")
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert rest.splitlines()[-1] == "interrupted"
    assert not list(coco.output.glob(".*"))  # nothing half-written


def test_a_time_limit(coco: Workspace, tools: Tools) -> None:
    process = start(coco, "-o", "epoch=10000", "worker_num=0", "max_time=0.5s")
    try:
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 124
    message = f"max_time: the limit of 0.5s is reached; continue with -r {coco.output}/interrupted"
    assert err.splitlines()[-2].endswith(message)
    assert err.splitlines()[-1] == "interrupted"
    assert {path.name for path in coco.output.glob("interrupted.*")} == CHECKPOINT
    tools.run("train", "-c", coco.config, "-r", "auto", "-o", "epoch=1", "max_time=1h")
    assert (coco.output / "model_final.pdparams").exists()
