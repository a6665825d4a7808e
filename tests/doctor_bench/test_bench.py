"""The report as text: what it says, and what it must not tell."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ppdet import __version__
from ppdet.doctor.report import Finding
from ppdet.doctor_bench import bench as bench_module
from ppdet.doctor_bench.bench import bench, without_names
from ppdet.doctor_bench.task import Result


@dataclass
class StubPlan:
    """Stands for a Plan that has been carried out."""

    found: list[Result]
    config: str = "/home/somebody/my.yml"
    device: str = "gpu"
    seconds: float = 15.0
    overrides: list[str] = field(default_factory=lambda: ["weights=/home/somebody/w.pdparams", "epoch=3"])

    def results(self) -> Iterator[Result]:
        yield from self.found


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "find_software", lambda: Finding("Software", ["Python 3.11", "paddle 3.3.1"]))
    monkeypatch.setattr(bench_module, "find_devices", lambda: Finding("Devices", ["gpu:0: Card, 32 GB", "cpu"]))
    monkeypatch.setattr(bench_module, "allowed_cores", lambda: 2.5)
    monkeypatch.setattr(socket, "gethostname", lambda: "box17.lab")
    monkeypatch.setattr(getpass, "getuser", lambda: "somebody")


EXPECTED = f"""\
```text
ppdet {__version__} doctor --bench, 15 s for each measurement
Python 3.11, paddle 3.3.1
gpu:0: Card, 32 GB, cpu
2.5 CPU cores for this process
measured on gpu, config my.yml, changed: epoch, weights
train step:                  12 images/s
reader:                      not measured: …/boxes.json: there is no such file
```
"""


@pytest.mark.usefixtures("machine")
def test_report() -> None:
    missing = Result([("reader", "not measured: /data/coco/boxes.json: there is no such file")])
    plan: Any = StubPlan([Result([("train step", "12 images/s")]), missing])
    said: list[str] = []
    assert bench(plan, said.append) == (EXPECTED, True)
    assert said == EXPECTED.splitlines()  # each line as soon as it is known


@pytest.mark.usefixtures("machine")
def test_a_failure_is_a_line_and_the_rest_is_there() -> None:
    broken = Result([("amp", "failed: \x1b[1mRuntimeError: no kernel")], failed=True)
    plan: Any = StubPlan([broken, Result([("to_static", "9 images/s")])])
    text, works = bench(plan, lambda line: None)
    assert not works
    *_, amp, static, fence = text.splitlines()
    assert amp.startswith("amp:                         failed: ")
    assert amp.endswith("RuntimeError: no kernel")
    assert amp.isprintable()
    assert (static, fence) == ("to_static:                   9 images/s", "```")


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("not measured: /a/b/c.json: no such file", "not measured: …/c.json: no such file"),
        ("failed: '/opt/x y' and (~/z/w.pdparams)", "failed: '…/x y' and (…/w.pdparams)"),
        ("failed: {home}/data set/x.json, {cwd}/y", "failed: …/data set/x.json, …/y"),
        ("failed: https://host.org/models/x.pdparams: 404", "failed: https://host.org/models/x.pdparams: 404"),
        ("failed: box17 of somebody, box17.lab: no route", "failed: … of …, …: no route"),
        ("failed: boxes of somebody2", "failed: boxes of somebody2"),
        ("12 images/s (1/16 of box17)", "12 images/s (1/16 of box17)"),  # no message of a library
    ],
)
def test_no_path_and_no_name_of_the_machine_or_the_user(text: str, shown: str) -> None:
    assert without_names(text.format(home=Path.home(), cwd=Path.cwd())) == shown
