"""Evaluation on the tiny dataset: images without detections, repeated runs, VOC's metric and results files."""

from __future__ import annotations

import json
import multiprocessing
import random
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.evaluation import evaluator as evaluate
from ppdet.evaluation.console import evaluate_to_console
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.metrics.results import load_results, save_results
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session
from ppdet.training.checkpoint import save_weights
from tests.golden import CONFIGS
from tests.support.datasets import noise_scenes
from tests.support.tiny import CLASSES, make_run
from tests.support.yolo_files import write_yolo


def truth(run) -> list[tuple[int, np.ndarray]]:
    """The annotations as perfect detections."""
    return [
        (record.im_id, np.hstack([record.gt_class, np.ones_like(record.gt_class), record.gt_bbox]).astype("float32"))
        for record in run.load_dataset("EvalDataset").records
    ]


@pytest.mark.parametrize("metric", ["COCO", "VOC"])
def test_images_without_detections(tiny, metric):
    run = make_run(tiny, f"metric={metric}", "PicoHeadV2.nms.score_threshold=0.999")
    evaluator = build_evaluator(run)
    model = run.build_model()
    assert [(im_id, rows.shape) for im_id, rows in evaluator.detect(model)] == [(im_id, (0, 6)) for im_id in range(6)]
    assert evaluator(model)[evaluator.metric.primary] == 0


def test_ctrl_c_while_the_workers_end_is_not_lost(tiny, monkeypatch):
    """In a generator that is left over Python would print its trace and go on."""

    def read():
        try:
            yield from evaluator.loader.epoch(0)
        finally:
            raise KeyboardInterrupt

    def fail(model, batches, *others):
        for batch in batches:
            raise ValueError
            yield batch

    run = make_run(tiny)
    evaluator = build_evaluator(run)
    monkeypatch.setattr(evaluate, "detect", fail)
    with pytest.raises(KeyboardInterrupt):
        evaluator.detect(run.build_model(), read())


@pytest.mark.parametrize("metric", ["COCO", "VOC"])
def test_twice_gives_the_same(tiny, metric):
    run = make_run(tiny, f"metric={metric}", "epoch=1")
    evaluator = build_evaluator(run)
    model = run.build_model()
    first = evaluator(model)
    model.train()
    assert evaluator(model) == first  # also from training mode
    assert build_evaluator(run)(model) == first
    assert not model.training


@pytest.mark.parametrize(("metric", "key"), [("COCO", "AP"), ("VOC", None)])
def test_perfect_detections(tiny, metric, key):
    run = make_run(tiny, f"metric={metric}", "map_type=integral")
    evaluator = build_evaluator(run)
    assert evaluator.score(truth(run))[key or evaluator.metric.primary] == pytest.approx(1, abs=1e-6)
    assert evaluator.score([]) == evaluator.score([])  # nothing is left over from the last time
    assert evaluator.score([])[key or evaluator.metric.primary] == 0


def test_results_file(tiny, tmp_path):
    run = make_run(tiny)
    evaluator = build_evaluator(run)
    detections = evaluator.detect(run.build_model())
    names = evaluator.dataset.categories, evaluator.dataset.image_ids
    assert save_results(tmp_path / "bbox.json", detections, *names) == sum(len(r) for _, r in detections)
    loaded = load_results(tmp_path / "bbox.json", *names)
    assert evaluator.score(loaded) == pytest.approx(evaluator.score(detections))


def test_console(tiny, tmp_path, capsys):
    run = make_run(tiny)
    model = run.build_model()
    save_weights(tmp_path / "weights", model, model.state_dict())
    run = make_run(tiny, f"weights={tmp_path}/weights.pdparams")
    evaluate_to_console(run, classwise=True, output_dir=tmp_path / "results", from_json=False)
    printed = capsys.readouterr().out
    assert "Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ]" in printed
    assert all(name in printed for name in CLASSES)
    evaluate_to_console(run, classwise=True, output_dir=tmp_path / "results", from_json=True)
    assert capsys.readouterr().out == printed


def test_workers_read_before_the_model_is_there(tiny, monkeypatch):
    """As many as there are cores at most, and none is left when the scores are printed."""
    run = make_run(tiny, "worker_num=64", "weights=none.pdparams")
    pools = []

    def load_model(run):
        pools.extend(multiprocessing.active_children())
        raise UserError("no weights")

    monkeypatch.setattr(type(run), "load_model", load_model)
    before = multiprocessing.active_children()
    with pytest.raises(UserError, match="no weights"):
        evaluate_to_console(run, classwise=False, output_dir=None, from_json=False)
    assert len(pools) - len(before) == min(64, cpu_threads())
    assert len(multiprocessing.active_children()) == len(before)


def test_what_is_missing_is_named(tiny, tmp_path):
    with pytest.raises(UserError, match="weights: required"):
        evaluate_to_console(make_run(tiny, "weights=null"), classwise=False, output_dir=None, from_json=False)
    with pytest.raises(UserError, match=r"bbox\.json: there is no such file"):
        evaluate_to_console(make_run(tiny), classwise=False, output_dir=tmp_path / "none", from_json=True)


def test_a_yolo_folder_scores_as_coco(tiny, tmp_path):
    write_yolo(tmp_path / "set", noise_scenes(6), "val")
    found = f"EvalDataset=!AutoDataset {{dataset_dir: {tmp_path}/set, split: val, allow_empty: true}}"
    runs = make_run(tiny), make_run(tiny, found)
    coco, yolo = map(build_evaluator, runs)
    model = runs[0].build_model()
    assert yolo(model) == pytest.approx(coco(model), abs=1e-6)

    for evaluator in (coco, yolo):
        evaluator.metric.reset()
    rng = np.random.default_rng(0)
    records, others = (run.load_dataset("EvalDataset").records for run in runs)
    assert [Path(record.im_file).name for record in others] == [Path(record.im_file).name for record in records]
    for record in records:
        shifted = record.gt_bbox + rng.normal(0, 2, record.gt_bbox.shape)
        rows = np.hstack([record.gt_class, rng.random(record.gt_class.shape), shifted])
        for evaluator in (coco, yolo):
            evaluator.metric.update(record.im_id, rows)
    scores = coco.metric.compute()
    assert 0.2 < scores["AP"] < 0.9
    assert yolo.metric.compute() == pytest.approx(scores, abs=1e-6)


def test_published_weights_on_a_data_set_in_another_order(shared: Path, tmp_path: Path) -> None:
    """By name the scores are those of the data set in COCO's order, to the last digit."""
    data = shared / "data" / "coco_tiny"
    weights = f"weights={shared}/weights/picodet_xs_320_coco_lcnet.pdparams"

    def run(*options: str) -> Session:
        config = CONFIGS / "picodet_xs_320_coco_lcnet.yml"
        return make_run(config, "worker_num=0", "device=cpu", weights, f"EvalDataset.dataset_dir={data}", *options)

    original = run()
    content = json.loads((data / original.cfg["EvalDataset"]["anno_path"]).read_text())
    random.Random(0).shuffle(content["categories"])
    (tmp_path / "shuffled.json").write_text(json.dumps(content))
    shuffled = [f"EvalDataset.anno_path={tmp_path}/shuffled.json"]
    with pytest.raises(
        UserError, match=r"there but 'person' in COCO, which .*; found 80 classes \(.*; put its categories"
    ):
        build_evaluator(run(*shuffled), original.trained_classes())
    by_name, model = run(*shuffled, "remap_classes=true"), original.load_model()
    expected = build_evaluator(original, original.trained_classes())(model)
    assert expected["AP"] == pytest.approx(0.2602, abs=1e-4)
    assert build_evaluator(by_name, by_name.trained_classes())(model) == expected
