"""A written model that differs from the trained one is found, and not kept."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.export.check_inputs import sample_batch
from ppdet.export.compare import compare
from ppdet.export.export import export
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.export.graph import ExportModel, rounded
from ppdet.export.image_input import ImageInput
from ppdet.export.verify import Reference
from tests.support.tiny import make_run
from tests.support.trained import installed_formats, write_trained_config


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return write_trained_config(tmp_path_factory.mktemp("verify"))


def test_the_reference_holds_what_the_trained_model_gives(config) -> None:
    session = make_run(config, "export.format=paddle,onnx", "export.fp16=true")
    model, sample = session.load_model(), sample_batch(session, (64, 64))
    settings = session.settings.export
    reference = Reference.of(model, settings, ImageInput((64, 64)), sample)
    boxes, scores = reference.expected
    assert (boxes.shape, scores.shape) == ((2, 85, 4), (2, 3, 85))
    np.testing.assert_array_equal(reference.inputs[0], sample.image)
    np.testing.assert_array_equal(reference.inputs[1], sample.scale_factor)
    assert 1e-4 <= reference.tolerance["paddle"] <= 5e-3  # single precision: only ONNX stores half
    assert 1e-3 <= reference.tolerance["onnx"] <= 5e-2
    assert reference.rules is not None
    assert reference.compare("onnx", [np.zeros((0, 6), "float32"), np.zeros(2, "int32")]).unmatched > 0
    raw = Reference.of(model, ExportSettings(post_process=False), ImageInput((64, 64)), sample)
    assert raw.rules is None
    assert len(raw.inputs) == 1
    assert raw.compare("paddle", raw.expected) == (0, 0, 0)


def test_rounding_may_choose_another_peak(config) -> None:
    """Which of two neighbors that are nearly equal is the peak; nothing else may differ."""
    session = make_run(config, "PicoDet.head=PicoHeadE2E")
    model, sample = session.load_model(), sample_batch(session, (64, 64))
    settings = ExportSettings(nms="none", boxes="input")
    reference = Reference.of(model, settings, ImageInput((64, 64)), sample)
    boxes, scores = reference.expected
    (_, least), (_, most) = reference.bounds["paddle"]
    assert (least <= scores).all()
    assert (scores <= most).all()
    assert reference.tolerance["paddle"] < 1e-3
    near = most.copy()
    assert not np.array_equal(near, least)
    assert reference.compare("paddle", [boxes, near]) == (0, 0, 0)
    assert not compare(reference.expected, [boxes, near]).within(reference.tolerance["paddle"])
    inputs = [paddle.to_tensor(each) for each in reference.inputs]
    with paddle.no_grad():
        off = [each.numpy() for each in rounded(ExportModel(model, settings), 2**-21)(*inputs)]
    assert reference.compare("paddle", off).within(reference.tolerance["paddle"])
    lost = scores * (scores != least.max())
    assert not reference.compare("paddle", [boxes, lost]).within(reference.tolerance["paddle"])


def test_a_model_that_differs_is_not_written(config, tmp_path, monkeypatch):
    """The order of the detections is no difference; a score is."""

    original = EXPORT_FORMATS["paddle"]

    def disturb(shift):
        def run(folder, inputs):
            bbox, bbox_num = original.run(folder, inputs)
            first = bbox[: bbox_num[0]][::-1] + [0, shift, 0, 0, 0, 0]
            return [np.concatenate([first, bbox[bbox_num[0] :]]), bbox_num]

        monkeypatch.setitem(EXPORT_FORMATS, "paddle", original._replace(run=run))

    disturb(0)
    folder = export(make_run(config), tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    disturb(0.01)
    with pytest.raises(UserError, match="not written, since paddle differ"):
        export(make_run(config, "export.nms=true"), tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def change_nms(**attrs):
    return lambda model: model.head.nms.attrs.update(attrs)


def lose_a_class(model):
    for layer in model.head.head_cls:
        bias = layer.bias.numpy()
        bias[1] -= 20
        layer.bias.set_value(bias)


def shift_boxes(model):
    model.head.cell_offset += 0.01  # 0.6 pixels on the coarsest level


FAULTS = {
    "45 of 100 lost": change_nms(keep_top_k=55),
    "one more": change_nms(keep_top_k=101),
    "IoU": change_nms(nms_threshold=0.55),
    "score": change_nms(score_threshold=0.085),
    "class": lose_a_class,
    "boxes": shift_boxes,
}


RARE = ("one more", "score", "class")


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.slow if k in RARE else ()) for k in FAULTS])
def test_faults_in_what_is_written(config, tmp_path, monkeypatch, kind):
    """The check knows none of them, and finds each in each format."""

    def planted(write):
        def faulty(graph, *args):
            model = copy.deepcopy(graph.model)
            FAULTS[kind](model)
            write(ExportModel(model, graph.settings), *args)

        return faulty

    least = 0 if kind in ("45 of 100 lost", "one more") else 0.08  # more than 100 boxes, or about a third of the points
    run = make_run(config, f"export.format={','.join(installed_formats())}", f"PicoHeadV2.nms.score_threshold={least}")
    for name, each in list(EXPORT_FORMATS.items()):
        monkeypatch.setitem(EXPORT_FORMATS, name, each._replace(write=planted(each.write)))
    with pytest.raises(UserError, match=f"not written, since {' and '.join(installed_formats())} differ"):
        export(run, tmp_path)
