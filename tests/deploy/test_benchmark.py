"""tools/benchmark.py: a line per model, backend, number of threads and batch size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ppdet.deploy import DeployError, Detector
from ppdet.deploy.benchmark import STAGES, BenchmarkCase, measure, synthetic_image, table
from tests.deploy.conftest import make_model

ROOT = Path(__file__).resolve().parents[2]


def test_two_models_side_by_side(small, tmp_path):
    other = make_model(tmp_path / "other" / "model_int8.onnx")
    command = [
        sys.executable,
        ROOT / "tools" / "benchmark.py",
        "--model",
        small,
        other,
        "--backend",
        "onnxruntime",
        "--batch_size",
        "1",
        "2",
        "--repeats",
        "5",
        "--output",
        tmp_path / "times.json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "times.json").read_text())
    assert [(row["model"], row["batch"]) for row in rows] == [
        ("export/model.onnx", 1),
        ("export/model.onnx", 2),
        ("other/model_int8.onnx", 1),
        ("other/model_int8.onnx", 2),
    ]
    for row in rows:
        assert all(0 < row[stage]["median"] <= row[stage]["p90"] for stage in STAGES)
        assert row["total"]["median"] >= max(row[stage]["median"] for stage in STAGES[:-1])
    assert len(done.stdout.splitlines()) == 2 + len(rows)


def test_a_mistake_is_one_line(tmp_path):
    command = [sys.executable, ROOT / "tools" / "benchmark.py", "--model", tmp_path / "none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_batch_that_the_model_cannot_take(tmp_path):
    pytest.importorskip("onnxruntime")
    detector = Detector(make_model(tmp_path / "model.onnx", batch=2), "onnxruntime", 1)
    assert BenchmarkCase(detector, 2).label["batch"] == 2
    with pytest.raises(DeployError, match=r"^--batch_size: found 3; .*model.onnx takes at most 2 at a time"):
        BenchmarkCase(detector, 3)


def test_ctrl_c(small, tmp_path):
    folder = tmp_path / "temporary"  # where the program makes an image once the model is loaded
    folder.mkdir()
    command = [
        sys.executable,
        ROOT / "tools" / "benchmark.py",
        "--model",
        small,
        "--backend",
        "onnxruntime",
        "--repeats",
        "100000000",
    ]
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        while process.poll() is None and not list(folder.glob("ppdet-*/*")):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=300)[1] == "interrupted\n"
    assert process.returncode == 130


def test_the_cases_take_turns(small, tmp_path, monkeypatch):
    cases = [
        BenchmarkCase(Detector(small, "onnxruntime", 1)),
        BenchmarkCase(Detector(small, "onnxruntime", 1), batch_size=2),
    ]
    order = []
    for case in cases:
        load = case.detector.load
        monkeypatch.setattr(case.detector, "load", lambda path, case=case, load=load: order.append(case) or load(path))
    rows = measure(cases, [synthetic_image(tmp_path)], repeats=8)
    turns = [case for i, case in enumerate(order) if i == 0 or order[i - 1] is not case]
    assert turns == cases * 2
    assert table(rows).splitlines()[1].endswith("1.00x")
