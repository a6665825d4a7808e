"""`ppdet doctor --bench` as a command: its options, its report, its exit status."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from ppdet.cli import main
from ppdet.commands import doctor_bench
from ppdet.doctor_bench.plan import Plan
from ppdet.doctor_bench.task import Result, Task
from tests.support.workspaces import ROOT


def status_of(*argv: object) -> object:
    with pytest.raises(SystemExit) as leaving:
        main(["doctor", *map(str, argv)])
    return leaving.value.code


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--bench"], "--bench: found no config; expected one that trains on this machine; add -c <file or name>"),
        (["--bench", "-c", "none.yml"], "none.yml: cannot be read, no such file or directory"),
        (["--bench", "-c", "{config}", "--seconds", "0"], "--seconds: found 0; expected a number above 0, as 15"),
        (["--bench", "-c", "{config}", "--seconds", "nan"], "--seconds: found nan; expected a number above 0"),
        (["--bench", "-c", "{config}", "--seconds", "-3"], "--seconds: found -3; expected a number above 0"),
        (["--bench", "-c", "{config}", "--seconds", "soon"], "argument --seconds: invalid float value: 'soon'"),
        (["--bench", "-c", "{config}", "--report", "{folder}"], "--report: {folder} is a folder; expected a file, as"),
        (["--bench", "-c", "{config}", "-o", "epohc=3"], "epohc: "),
        (["--bench", "-c", "{config}", "--device", "npu:7"], "device: 'npu:7' is not there; available: cpu"),
        (["-c", "{config}"], "-c: found without --bench, which it is for; add --bench, or leave -c out"),
        (["--report", "x.txt"], "--report: found without --bench"),
        (["--seconds", "3"], "--seconds: found without --bench"),
    ],
)
def test_mistakes_are_one_line(argv: list[str], message: str, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {"config": tiny, "folder": tiny.parent}
    assert status_of(*(word.format(**places) for word in argv)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert lines[0].startswith("error: " + message.format(**places))


@pytest.mark.parametrize(("failed", "status"), [(False, 0), (True, 1)])
def test_the_report_is_printed_and_written(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failed: bool, status: int
) -> None:
    def run(task: Task, *environments: object) -> Result:
        return Result([(task.title, "measured")], failed=failed)

    monkeypatch.setattr(doctor_bench, "Plan", partial(Plan, run=run))
    report = tiny.parent / "new" / "bench.txt"
    assert status_of("--bench", "-c", tiny, "--report", report) == status
    shown = capsys.readouterr().out
    assert report.read_text(encoding="utf-8") == shown
    assert shown.splitlines()[1].endswith("doctor --bench, 15 s for each measurement")
    assert "measured on cpu, config tiny.yml\n" in shown
    assert "score:                       measured\n" in shown


def test_an_earlier_report_stays_if_the_new_one_is_not_finished(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor_bench, "bench", interrupted)
    report = tiny.with_name("bench.txt")
    report.write_text("earlier")
    assert status_of("--bench", "-c", tiny, "--report", report) == 130
    assert report.read_text() == "earlier"
    assert sorted(path.name for path in tiny.parent.glob("*bench*")) == ["bench.txt"]


def test_several_processes_are_refused(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor_bench.distributed, "world_size", lambda: 2)
    assert status_of("--bench", "-c", tiny) == 2
    assert "error: --bench: found several processes of a launcher; start it without" in capsys.readouterr().err


@pytest.mark.slow
def test_a_whole_run(tiny: Path) -> None:
    """Every measurement on the CPU, two models of full size among them: two minutes."""
    report = tiny.with_name("bench.txt")
    command = [sys.executable, "-m", "ppdet", "doctor", "--bench", "-c", str(tiny), "--seconds", "0.2"]
    done = subprocess.run([*command, "--report", str(report)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report.read_text(encoding="utf-8") == done.stdout
    assert str(tiny.parent) not in done.stdout
    lines = dict(re.findall(r"^([^:`\n]+): +(.*)$", done.stdout, re.MULTILINE))
    for title in ("train step S-320, float32", "train step L-640, to_static", "reader alone", "training, end to end"):
        assert float(lines[title].split(" images/s (")[0]) > 0
    assert lines["train step S-320, amp"] == "not measured: cpu has no mixed precision"
    assert " operators; copies and waits: not reported" in lines["copies and waits"]
    assert lines["score"].startswith("not measured: tiny has no published weights")
    assert lines["two cards"] == "not measured: there are no two devices of the kind cpu"
