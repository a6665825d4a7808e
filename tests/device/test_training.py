"""Training on a plug-in device gives what it gives on the CPU, up to rounding."""

from __future__ import annotations

import json
import re
from pathlib import Path

import paddle
import pytest

from tests.device.compare import assert_alike, assert_same
from tests.device.conftest import Trained
from tests.device.machine import KIND, SHORT, TWO_EPOCHS, Machine, losses


def test_training_is_as_on_the_cpu(trained: Trained) -> None:
    assert_alike(trained.device, trained.cpu)


@pytest.mark.slow
def test_without_operators_that_write_in_place(trained: Trained) -> None:
    assert_alike(trained.machine.train("fresh", *TWO_EPOCHS, GUARDED_IN_PLACE="0"), trained.cpu)


@pytest.mark.slow
def test_accumulated_updates_are_as_on_the_cpu(trained: Trained) -> None:
    accumulated = (*TWO_EPOCHS, "accumulate_steps=2")
    cpu = trained.machine.train_on_cpu("accumulated-cpu", *accumulated)
    assert_alike(trained.machine.train("accumulated", *accumulated), cpu)
    assert losses(cpu)[1] != losses(trained.cpu)[1]  # the first update came later


@pytest.mark.slow
def test_the_legacy_head_is_as_on_the_cpu(plugin: Path, tmp_path: Path) -> None:
    machine = Machine(plugin, tmp_path).prepare(base="legacy_model/picodet_s_320_coco.yml")
    settings = (*TWO_EPOCHS, "TrainReader.batch_size=8")  # four images are too few for this network
    assert_alike(machine.train("device", *settings), machine.train_on_cpu("cpu", *settings))


def test_a_static_graph_is_as_on_the_cpu(trained: Trained) -> None:
    """Paddle's fallback in graphs needs tensors that are freed by default. In graphs the plug-in has no batch norm."""
    settings = {"FLAGS_eager_delete_tensor_gb": "-1", "GUARDED_IN_PLACE": "0"}
    static = trained.machine.train("static", *TWO_EPOCHS, options=("--to_static",), **settings)
    assert_alike(static, trained.cpu)


@pytest.mark.slow
def test_reader_processes_change_nothing(trained: Trained) -> None:
    assert_same(trained.machine.train("readers", *SHORT, "worker_num=2") / "model_final", trained.device / "0")


def test_another_type_of_device_without_mixed_precision(trained: Trained) -> None:
    """Not `npu`: for that name Paddle 3 frees an input of multiply_grad, which its fallback to the CPU then copies."""
    machine, save = trained.machine, trained.machine.folder / "mlu"
    command = ("tools/train.py", "-c", machine.config, "--amp", "-o", f"save_dir={save}", *SHORT)
    log = machine.run(*command, GUARDED_TYPE="mlu")
    assert log.count("amp: mlu has no mixed precision, training in float32") == 1
    assert_same(save / "tiny" / "model_final", trained.device / "0")


def test_memory_in_the_log(trained: Trained) -> None:
    """Paddle 3 counts the device's, of which 2 x 4 images take little; otherwise it is the process's."""
    lines = (trained.device / "metrics.jsonl").read_text().splitlines()
    found = [record["memory_mb"] for record in map(json.loads, lines) if "loss" in record]
    counts = hasattr(paddle.device, "max_memory_allocated")
    assert all(5 < memory < 100 if counts else memory > 200 for memory in found)


_WITH_TOTAL = """
import sys
from types import SimpleNamespace
from ppdet.runtime import device

device._properties = lambda name: SimpleNamespace(name=name, total_memory={size})  # the plug-in has none
from ppdet import cli
cli.main(sys.argv[1:])
"""


def test_the_batch_is_chosen_by_the_memory_of_the_device(machine: Machine) -> None:
    """Paddle 3 counts what it takes from a plug-in; without that, or a total, one line says what to do."""
    auto = ("-o", f"save_dir={machine.folder / 'auto'}", *SHORT, "TrainReader.batch_size=auto")
    said = machine.run("tools/train.py", "-c", machine.config, *auto, status=2)
    assert f"error: TrainReader.batch_size: found auto; {KIND} does not" in said
    if not hasattr(paddle.device, "max_memory_allocated"):
        return
    said = machine.run("-c", _WITH_TOTAL.format(size=24 * 2**20), "train", "-c", machine.config, *auto)
    [batch] = map(int, re.findall(r"batch_size: auto is (\d+); a step at 64 x 64 takes", said))
    assert 1 < batch < 10
    [peak] = map(int, re.findall(r"trained 1 epochs, peak memory (\d+) MB", said))
    assert peak < 24
    assert f"{KIND}:0 does not tell what other processes hold" in said
