"""The graph that evaluation runs on CPUs gives what the model gives, whatever state the model comes in."""

from __future__ import annotations

import gc
import logging
import sys

import numpy as np
import paddle
import pytest

from ppdet.engine import predictor as module
from ppdet.engine.device import peak_memory_mb
from ppdet.engine.evaluate import Evaluator, build_evaluator
from ppdet.engine.predictor import GraphPredictor, make_predictor, predict
from ppdet.modeling.cpu import use_cpu_kernels
from tests.detections import differences
from tests.engine.export.test_pipeline import make_weights
from tests.engine.tiny import make_run
from tests.golden import CONFIGS, LCNET


def inputs(batch: int, height: int = 64, width: int = 64) -> tuple[paddle.Tensor, paddle.Tensor]:
    image = np.random.default_rng(batch).standard_normal((batch, 3, height, width)).astype("float32") / 10
    return paddle.to_tensor(image), paddle.full([batch, 2], 0.5)


@pytest.mark.parametrize("in_training", [False, True])
def test_equals_the_model(tiny, in_training):
    """Batches of any length, and of another size than the first one's; also of a model that trains on the CPU."""
    make_weights(make_run(tiny), tiny.parent / "weights")  # without equal scores, whose order is a matter of rounding
    model = make_run(tiny, f"weights={tiny.parent}/weights.pdparams").load_model()
    if in_training:
        use_cpu_kernels(model)
        model.train()
    model.eval()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    graph = GraphPredictor(model)
    for size in ((3, 64, 64), (1, 64, 64), (2, 64, 96)):
        expected, found = predict(model, *inputs(*size)), graph(*inputs(*size))
        assert len(expected[0]) > 0
        assert differences(expected, found) <= 1e-4
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())


def test_no_detections(tiny):
    bbox, bbox_num = GraphPredictor(make_run(tiny, "PicoHeadV2.nms.score_threshold=0.999").build_model())(*inputs(2))
    assert bbox.shape == (0, 6)
    assert bbox_num.tolist() == [0, 0]


def test_few_images_need_no_graph(tiny, monkeypatch):
    model = make_run(tiny).build_model()
    assert not isinstance(make_predictor(model, 1), GraphPredictor)
    assert isinstance(make_predictor(model, 1000), GraphPredictor)
    monkeypatch.setattr(module.paddle.device, "get_device", lambda: "gpu:0")
    assert not isinstance(make_predictor(model, 1000), GraphPredictor)


def test_nothing_is_left_behind(tiny, tmp_path, monkeypatch):
    """Neither in the interpreter nor in the folder the tool is started in."""
    folder = tmp_path / "started here"
    folder.mkdir()
    model = make_run(tiny).build_model()
    monkeypatch.chdir(folder)
    GraphPredictor(model)(*inputs(1))
    gc.collect()
    assert not hasattr(sys, "tracebacklimit")
    assert list(folder.iterdir()) == []


def evaluator_with(evaluator: Evaluator, images: int) -> Evaluator:
    return Evaluator(evaluator.loader, evaluator.metric, evaluator.categories, evaluator.image_ids, images)


def test_golden_model_scores_the_same(shared):
    data = shared / "data" / "coco_tiny"
    run = make_run(
        CONFIGS / f"{LCNET[0]}.yml", "worker_num=0", "device=cpu",
        f"weights={shared}/weights/{LCNET[0]}.pdparams", f"EvalDataset.dataset_dir={data}",
    )  # fmt: skip
    evaluator, model = build_evaluator(run), run.load_model()
    plain, graph = (evaluator_with(evaluator, images)(model) for images in (1, 1000))
    assert graph["AP"] == pytest.approx(0.2602, abs=1e-4)
    assert graph == pytest.approx(plain, abs=1e-4)


def test_memory_stays_over_many_evaluations(tiny, caplog):
    """Twenty snapshots of a training, each with a predictor of its own."""
    caplog.set_level(logging.ERROR)
    model = make_run(tiny).build_model()

    def snapshots(count: int) -> float:
        for _ in range(count):
            GraphPredictor(model)(*inputs(2))
        gc.collect()
        return peak_memory_mb("cpu")

    settled = snapshots(4)
    assert snapshots(20) - settled < 0.1 * settled
