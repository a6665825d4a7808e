"""The static graph (`to_static: true`) gives the values, gradients and losses of the dynamic network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ppdet.training.setup import build_trainer
from ppdet.training.static_graph import StaticNetwork
from tests.support.tiny import make_run
from tests.training.test_resume import train


@pytest.mark.parametrize("head", ["PicoHeadV2", pytest.param("PicoHeadE2E", marks=pytest.mark.slow)])
def test_static_graph_gives_the_same_losses(tiny, head):
    trainer, _ = build_trainer(make_run(tiny, "to_static=true", f"PicoDet.head={head}"))
    static = StaticNetwork(trainer.model)
    for batch in trainer.loader.epoch(0):  # of two sizes
        trainer.model.train()
        dynamic, graph = trainer.model(batch.image), static(batch.image)
        assert len(dynamic.one_to_one) == (4 if head == "PicoHeadE2E" else 0)
        for plain, recorded in zip(*([*each.one_to_one, *each[:2]] for each in (dynamic, graph)), strict=True):
            np.testing.assert_allclose(recorded.numpy(), plain.numpy(), rtol=1e-4, atol=1e-5)
        recorded.sum().backward()
        assert all(p.grad is not None for p in trainer.model.head.head_reg.parameters())


def test_static_training_begins_with_the_losses_of_dynamic_training(tiny):
    first = []
    for name, flag in (("dynamic", "false"), ("static", "true")):
        train(tiny, f"filename={name}", f"to_static={flag}", "epoch=1")
        lines = (tiny.parent / "output" / name / "metrics.jsonl").read_text().splitlines()
        first.append(json.loads(lines[0])["loss"])
    assert first[0] == pytest.approx(first[1], rel=1e-4)  # rounding: the dynamic one used the CPU's kernels
