"""Weights & Biases without a network, its file read back."""

from __future__ import annotations

import json
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.logged_run import REPEATED, scalars_of, train_twice

pytest.importorskip("wandb", reason="wandb is not installed")

_BLOCK, _WHOLE, _LAST = 32768, 1, 4


def records(file: Path) -> Iterator[Any]:
    """The records of a file: a head of 7 bytes, then blocks with parts, each with checksum, length and kind."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, record = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (left := _BLOCK - at % _BLOCK) < 7:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (_WHOLE, _LAST):
            yield Record.FromString(record)
            record = b""


def history(file: Path) -> dict[str, dict[int, float]]:
    """By tag and step."""
    found: dict[str, dict[int, float]] = {}
    for record in records(file):
        row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        for tag, value in row.items():
            if not tag.startswith("_"):
                found.setdefault(tag, {})[row["_step"]] = value
    return found


def test_the_values_are_those_of_the_log(tiny, monkeypatch):
    """Both parts of a continued run belong to one run."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)], sys.stdout, sys.stderr
    folder = train_twice(tiny, "log=[wandb]")
    assert ([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)], sys.stdout, sys.stderr) == before
    first, second = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    assert first.name == second.name == f"run-{json.loads((folder / 'loggers.json').read_text())['wandb']}.wandb"
    early, late = history(first), history(second)
    assert sorted(early["train/loss"]) == [1, 2, REPEATED]
    assert sorted(late["train/loss"]) == [REPEATED, 4]
    expected = scalars_of(folder)
    assert {tag: early.get(tag, {}) | late.get(tag, {}) for tag in early.keys() | late.keys()} == expected
    (config,) = (
        {u.key: json.loads(u.value_json) for u in r.run.config.update} for r in records(second) if r.run.config.update
    )
    assert config["LearningRate"]["base_lr"] == 0.02
