"""The graph that evaluation runs on CPUs gives what the model gives, whatever state the model comes in."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from ppdet.evaluation import predictor as module
from ppdet.evaluation.evaluator import Evaluator, build_evaluator
from ppdet.evaluation.predictor import GraphPredictor, Graphs, make_predictor, predict, predict_all
from ppdet.modeling.cpu_training.layers import use_cpu_kernels
from ppdet.modeling.nms import MultiClassNMS
from ppdet.runtime.device import peak_memory_mb
from tests.golden import CONFIGS, LCNET
from tests.support.detections import differences
from tests.support.tiny import make_run
from tests.support.trained import make_weights, random_inputs

ROOT = Path(__file__).resolve().parents[2]


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
        expected, found = predict(model, *random_inputs(*size)), graph(*random_inputs(*size))
        assert len(expected[0]) > 0
        assert differences(expected, found) <= 1e-4
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())


def test_no_detections(tiny):
    bbox, bbox_num = GraphPredictor(make_run(tiny, "PicoHeadV2.nms.score_threshold=0.999").build_model())(
        *random_inputs(2)
    )
    assert bbox.shape == (0, 6)
    assert bbox_num.tolist() == [0, 0]


def test_few_images_need_no_graph(tiny):
    model = make_run(tiny).build_model()
    assert not isinstance(make_predictor(model, 1), GraphPredictor)
    assert isinstance(make_predictor(model, 1000), GraphPredictor)


def test_a_device_works_on_a_batch_while_the_host_finishes_the_one_before(tiny, monkeypatch):
    """The CPU stands for a device: the order of the calls, and the same detections as one by one."""
    monkeypatch.setattr(module.paddle.device, "get_device", lambda: "gpu:0")
    model = make_run(tiny).build_model()
    model.eval()
    batches = [random_inputs(count) for count in (2, 1, 3)]
    expected = [predict(model, *batch) for batch in batches]
    calls = []
    decode, nms = model.decode, MultiClassNMS.__call__
    monkeypatch.setattr(model, "decode", lambda *inputs: (calls.append("launch"), decode(*inputs))[1])
    monkeypatch.setattr(MultiClassNMS, "__call__", lambda *inputs: (calls.append("finish"), nms(*inputs))[1])
    found = list(predict_all(model, batches, 1000))
    assert calls == ["launch", "launch", "finish", "launch", "finish", "finish"]
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    assert sum(len(bbox) for bbox, _ in found) > 0
    assert list(predict_all(model, [], 1000)) == []


def test_nothing_is_left_behind(tiny, tmp_path, monkeypatch):
    """Neither in the interpreter nor in the folder the tool is started in."""
    folder = tmp_path / "started here"
    folder.mkdir()
    model = make_run(tiny).build_model()
    monkeypatch.chdir(folder)
    GraphPredictor(model)(*random_inputs(1))
    gc.collect()
    assert not hasattr(sys, "tracebacklimit")
    assert list(folder.iterdir()) == []


def evaluator_with(evaluator: Evaluator, images: int) -> Evaluator:
    return Evaluator(evaluator.loader, evaluator.metric, evaluator.dataset, images)


def test_golden_model_scores_the_same(shared):
    data = shared / "data" / "coco_tiny"
    run = make_run(
        CONFIGS / f"{LCNET[0]}.yml",
        "worker_num=0",
        "device=cpu",
        f"weights={shared}/weights/{LCNET[0]}.pdparams",
        f"EvalDataset.dataset_dir={data}",
    )
    evaluator, model = build_evaluator(run), run.load_model()
    plain, graph = (evaluator_with(evaluator, images)(model) for images in (1, 1000))
    assert graph["AP"] == pytest.approx(0.2602, abs=1e-4)
    assert graph == pytest.approx(plain, abs=1e-4)


def test_the_graph_follows_the_weights(tiny):
    """It is recorded once for one evaluation after the other, and again for another size or another network."""
    models = []
    for number, other in enumerate(([], [], ["PicoHeadV2.reg_max=5"])):
        make_weights(make_run(tiny, *other), tiny.parent / f"weights{number}")
        models.append(make_run(tiny, f"weights={tiny.parent}/weights{number}.pdparams", *other).load_model())
    for name, value in models[1].named_parameters():
        if "head_cls" in name:
            value.set_value(value * 0.5)
    graphs, found = Graphs(), []
    for model, size in ((models[0], 64), (models[1], 64), (models[0], 64), (models[0], 96), (models[2], 96)):
        expected, result = (
            predict(model, *random_inputs(2, size, size)),
            GraphPredictor(model, graphs)(*random_inputs(2, size, size)),
        )
        assert len(expected[0]) > 0
        assert differences(expected, result) <= 1e-3
        found.append(result)
    assert differences(found[0], found[1]) > 0.01
    np.testing.assert_array_equal(found[0][0], found[2][0])


def test_there_are_only_so_many_graphs(tiny):
    graphs, model = Graphs(max_graphs=2), make_run(tiny).build_model()
    model.eval()
    made = [graphs.make(model, (64, 64)) is not None for _ in range(4)]
    assert made == [True, True, False, False]


FULL = """
import resource, sys
from pathlib import Path
from tests.support.tiny import make_run
from ppdet.evaluation import predictor
from tests.support.trained import random_inputs
model = make_run(Path(sys.argv[1])).build_model()
model.eval()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
graph = predictor.GraphPredictor(model)
found, expected = graph(*random_inputs(2)), predictor.predict(model, *random_inputs(2))
print(graph._graph is None, (found[0] == expected[0]).all(), len(expected[1]))
"""


@pytest.mark.parametrize("room", [1000, 500_000])
def test_without_room_for_a_graph_the_model_runs(tiny, room):
    """No file can be larger than `room`, as on a full disk: room for nothing, and for half of the weights."""
    argv = [sys.executable, "-c", FULL, str(tiny), str(room)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.stdout.split()[-3:] == ["True", "True", "2"], done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "TMPDIR" in line]
    assert "cannot be written (File too large); make room there, or set TMPDIR" in line
    assert "going on without an inference graph" in line


def test_without_a_temporary_folder_the_model_runs(tiny, monkeypatch, caplog, tmp_path):
    model = make_run(tiny).build_model()
    model.eval()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    bbox, _ = GraphPredictor(model)(*random_inputs(2))
    np.testing.assert_array_equal(bbox, predict(model, *random_inputs(2))[0])
    assert "not there cannot be written (No such file or directory)" in caplog.text


@pytest.mark.slow
def test_memory_stays_over_many_evaluations(tiny, caplog):
    """Twenty snapshots of a training, each with a predictor of its own."""
    caplog.set_level(logging.ERROR)
    model, graphs = make_run(tiny).build_model(), Graphs()

    def snapshots(count: int) -> float:
        for _ in range(count):
            GraphPredictor(model, graphs)(*random_inputs(2))
        gc.collect()
        return peak_memory_mb("cpu")

    settled = snapshots(4)
    assert snapshots(20) - settled < 0.1 * settled
