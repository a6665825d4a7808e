"""Event files, read back."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.training.callbacks import Tolerant
from ppdet.training.callbacks.base import Run
from ppdet.training.callbacks.tensorboard import TensorBoard
from ppdet.training.loop import fit
from ppdet.training.setup import build_trainer
from tests.support.logged_run import REPEATED, scalars_of, train_twice
from tests.support.tiny import make_run, write_config, write_dataset

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX is not installed")


def events(file: Path) -> Iterator[Any]:
    """The records of a file: length, checksum, content, checksum."""
    data = file.read_bytes()
    while data:
        (length,) = struct.unpack_from("<Q", data)
        yield event_pb2.Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


def scalars_in(folder: Path) -> dict[str, dict[int, float]]:
    """By tag and step, without what a later start takes back."""
    found: dict[str, dict[int, float]] = {}
    for file in sorted(folder.iterdir()):
        for event in events(file):
            if event.session_log.status == event_pb2.SessionLog.START:
                found = {tag: {s: v for s, v in points.items() if s < event.step} for tag, points in found.items()}
            for value in event.summary.value:
                if not value.metadata.plugin_data.plugin_name:
                    found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def config_in(file: Path) -> dict[str, Any]:
    plugin = pytest.importorskip("tensorboardX.proto.plugin_hparams_pb2")
    for event in events(file):
        for value in event.summary.value:
            data = plugin.HParamsPluginData.FromString(value.metadata.plugin_data.content)
            if data.session_start_info.hparams:
                return dict(data.session_start_info.hparams)
    return {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("logged")
    write_dataset(root)
    return train_twice(write_config(root), "log=[tensorboard]")


def as_float32(scalars: dict[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    return {tag: {step: float(np.float32(v)) for step, v in points.items()} for tag, points in scalars.items()}


def test_the_values_are_those_of_the_log(folder):
    """Each step once, although one was done twice."""
    assert scalars_in(folder / "tensorboard") == as_float32(scalars_of(folder))


def test_a_continued_run_takes_back_what_it_repeats(folder):
    first, second = sorted((folder / "tensorboard").iterdir())
    assert max(event.step for event in events(first)) == REPEATED
    starts = [event.step for event in events(second) if event.HasField("session_log")]
    assert starts == [REPEATED]
    assert not [event for event in events(first) if event.HasField("session_log")]


def test_the_config_is_there(folder):
    for file in (folder / "tensorboard").iterdir():
        found = config_in(file)
        assert found["epoch"].number_value == 2
        assert found["LearningRate.base_lr"].number_value == 0.02
        assert found["architecture"].string_value == "PicoDet"
        assert found["use_ema"].bool_value is True


def test_tensorboard_reads_it(folder):
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    accumulator = reader.EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    found = {tag: {each.step: each.value for each in accumulator.Scalars(tag)} for tag in tags}
    assert found == as_float32(scalars_of(folder))


def test_a_new_run_moves_the_files_aside(tiny):
    for _ in range(2):
        fit(*build_trainer(make_run(tiny, "epoch=1", "log=tensorboard")))
    folder = tiny.parent / "output" / "tiny"
    assert len(list((folder / "tensorboard").iterdir())) == 1
    assert len(list((folder / "earlier-1" / "tensorboard").iterdir())) == 1
    assert {"results.csv", "metrics.jsonl"} <= {file.name for file in (folder / "earlier-1").iterdir()}


def test_two_files_in_one_second(tmp_path):
    for _ in range(3):
        TensorBoard().on_begin(Run("x", tmp_path, {}, 0, False))
    assert len(list((tmp_path / "tensorboard").iterdir())) == 3


class Full(TensorBoard):
    """Finds the disk full at the first log line."""

    def on_record(self, kind, updates, numbers) -> None:
        with Path("/dev/full").open("wb") as full:
            self._writer._py_recordio_writer._writer = full
            super().on_record(kind, updates, numbers)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_disk_that_is_full(tiny, caplog):
    end = fit(*build_trainer(make_run(tiny, "epoch=1"), callbacks=[Tolerant(Full(), "log: tensorboard")]))
    assert end.epoch == 1
    assert [r.getMessage() for r in caplog.records if "tensorboard" in r.getMessage()] == [
        "log: tensorboard: failed ([Errno 28] No space left on device); the training goes on without it"
    ]


def test_a_folder_that_cannot_be_made(tiny):
    trainer, progress = build_trainer(make_run(tiny, "epoch=1", "log=tensorboard"))
    trainer.output_dir.mkdir(parents=True)
    (trainer.output_dir / "tensorboard").write_text("")
    with pytest.raises(UserError, match=r"^log: tensorboard: cannot start \(\[Errno 17\] File exists: .*repair that"):
        fit(trainer, progress)
