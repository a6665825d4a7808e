"""Latencies and sizes."""

from __future__ import annotations

import pytest

from ppdet.quantization.measure import latencies, megabytes


def test_latencies_are_medians_of_runs_in_turn():
    calls = []
    found = latencies({"a": lambda _: calls.append("a"), "b": lambda _: calls.append("b")}, {}, repeats=3, warm_up=1)
    assert calls == ["a", "b"] * 4
    assert found.keys() == {"a", "b"}
    assert all(0 <= value < 100 for value in found.values())


def test_an_xml_weighs_as_much_as_both_of_its_files(tmp_path):
    (tmp_path / "model.xml").write_bytes(bytes(1000))
    (tmp_path / "model.bin").write_bytes(bytes(500_000))
    assert megabytes(tmp_path / "model.xml") == pytest.approx(0.501)
