"""The published weights give the published detections: here, exported, and next to the published ONNX file."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.deploy.backends.runtimes import PaddleInference
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.export.export import export
from ppdet.export.paddle_format import program_file
from ppdet.metrics.results import load_results
from tests.support.trained import PUBLISHED, published_run

# measured with PaddleDetection on the 50 images (shared/golden/README.md)
SCORES = {
    "xs_320_lcnet": (0.2602, 0.3840, 0.2840, 0.0761, 0.3251, 0.5399, 0.2549, 0.3805, 0.3862, 0.1187, 0.4489, 0.6749),
    "s_320_esnet": (0.3311, 0.4941, 0.3558, 0.1047, 0.3645, 0.6273, 0.2846, 0.4116, 0.4306, 0.1358, 0.5068, 0.7316),
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_detections_and_coco_numbers(shared, model):
    run = published_run(shared, model)
    evaluator = build_evaluator(run)
    detections = evaluator.detect(run.load_model())
    file = shared / "golden" / "detections" / f"{PUBLISHED[model][1]}.coco_tiny_val.json"
    expected = dict(load_results(file, evaluator.dataset.categories, evaluator.dataset.image_ids))
    for im_id, rows in detections:
        np.testing.assert_allclose(np.sort(rows[:, 1]), np.sort(expected[im_id][:, 1]), atol=1e-3)
    np.testing.assert_allclose(list(evaluator.score(detections).values()), SCORES[model], atol=1e-3)


def test_exported_model_equals_the_published_onnx(shared, tmp_path):
    """The published file takes one image at a time; ours takes all of them, a few at a time."""
    onnxruntime = pytest.importorskip("onnxruntime")
    run = published_run(shared, "xs_320_lcnet", "EvalReader.batch_size=25")
    folder = export(run, tmp_path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    file = shared / "weights" / "picodet_xs_320_lcnet_postprocessed.onnx"
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    run_ours = PaddleInference(program_file(folder), 2).run
    images = 0
    for batch in build_evaluator(run).loader.epoch(0):
        feed = {"image": batch.image.numpy(), "scale_factor": batch.scale_factor.numpy()}
        bbox, bbox_num = run_ours(feed)
        for i, ours in enumerate(np.split(bbox, np.cumsum(bbox_num)[:-1])):
            theirs, _ = session.run(None, {name: array[i : i + 1] for name, array in feed.items()})
            ours, theirs = (rows[np.lexsort((-rows[:, 1], rows[:, 0]))] for rows in (ours, theirs))
            np.testing.assert_array_equal(ours[:, 0], theirs[:, 0])
            np.testing.assert_allclose(ours[:, 1], theirs[:, 1], atol=1e-4)
            np.testing.assert_allclose(ours[:, 2:], theirs[:, 2:], atol=0.05)
            images += 1
    assert images == 50
