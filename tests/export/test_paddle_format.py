"""Paddle Inference files: written, run, and the names of both Paddle lines."""

from __future__ import annotations

import sys

import numpy as np
import paddle
import pytest

from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.runtimes import PaddleInference
from ppdet.export.graph import ExportModel
from ppdet.export.paddle_format import program_file, save_graph
from tests.support.tiny import make_run
from tests.support.trained import random_inputs, write_trained_config


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> ExportModel:
    config = write_trained_config(tmp_path_factory.mktemp("paddle_format"))
    return ExportModel(make_run(config).load_model(), ExportSettings(nms=False))


def test_the_file_gives_what_the_graph_gives(tmp_path, graph) -> None:
    save_graph(graph, (64, 64), tmp_path)
    image, scale_factor = random_inputs(2)
    with paddle.no_grad():
        expected = [output.numpy() for output in graph(image, scale_factor)]
    runtime = PaddleInference(program_file(tmp_path), 1)
    for _ in range(2):
        found = runtime.run({"image": image.numpy(), "scale_factor": scale_factor.numpy()})
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-3)
    assert not hasattr(sys, "tracebacklimit")


def test_the_program_of_either_line_is_found(tmp_path) -> None:
    (tmp_path / "model.pdmodel").write_text("")
    assert program_file(tmp_path).name == "model.pdmodel"
    (tmp_path / "model.json").write_text("")
    assert program_file(tmp_path).name == "model.json"


def test_a_full_disk_is_noticed(tmp_path, graph, monkeypatch) -> None:
    def full(folder, size):
        assert size > sum(4 * value.size for value in graph.parameters())
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr("ppdet.export.paddle_format.require_space", full)
    with pytest.raises(OSError, match="No space left"):
        save_graph(graph, (64, 64), tmp_path)
    assert list(tmp_path.iterdir()) == []
