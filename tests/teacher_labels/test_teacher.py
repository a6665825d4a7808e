"""TeacherLabels in a config: the labels of a training, the cache, and what a user may get wrong.

The teacher finds one object of class green in the middle of each image, with a score of about 0.5 on noise.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.teacher_labels import detect as detecting
from ppdet.teacher_labels import teacher as module
from ppdet.teacher_labels.detect import ImageFile
from ppdet.training.setup import load_train_dataset
from tests.deploy.conftest import INFER_CFG, make_model
from tests.support.image_specimens import encoded, exif, png_chunk
from tests.support.tiny import make_run

MIDDLE = [20, 15, 60, 45]  # of 80 x 60
LABELS = ["other", "green"]


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    pytest.importorskip("onnxruntime")
    return make_model(tmp_path / "teacher" / "model.onnx", INFER_CFG | {"label_list": LABELS})


def load(tiny: Path, teacher: Path, *overrides: str) -> Dataset:
    options = [f"TeacherLabels.model={teacher}", "TeacherLabels.missing_labels=0.4", *overrides]
    return load_train_dataset(make_run(tiny, *options), None)


def test_missing_labels_are_added_also_to_images_without_any(tiny: Path, teacher: Path) -> None:
    before = (tiny.parent / "boxes.json").read_bytes()
    plain = load_train_dataset(make_run(tiny), None)
    assert [len(record.gt_bbox) for record in plain.records] == [2, 1, 2, 1, 2]  # allow_empty is off
    taught = load(tiny, teacher)
    assert [len(record.gt_bbox) for record in taught.records] == [3, 2, 3, 2, 3, 1]
    for record, theirs in zip(taught.records, [*plain.records, None], strict=True):
        count = len(theirs.gt_bbox) if theirs else 0
        assert theirs is None or (record.gt_bbox[:count] == theirs.gt_bbox).all()
        np.testing.assert_allclose(record.gt_bbox[count], MIDDLE, rtol=1e-6)
        assert record.gt_class[count:].tolist() == [[1]]
        assert record.gt_score is not None
        assert record.gt_score[:count, 0].tolist() == [1] * count
        assert 0.4 < record.gt_score[count, 0] < 0.6
    assert taught.categories == plain.categories
    assert (tiny.parent / "boxes.json").read_bytes() == before


def test_nothing_is_added_where_a_label_is_or_without_the_option(tiny: Path, teacher: Path) -> None:
    # The second label of every other image, [10, 20, 50, 50], has an IoU of 750 / 1650 with the middle.
    overlapping = load(tiny, teacher, "TeacherLabels.overlap=0.45")
    assert [len(record.gt_bbox) for record in overlapping.records] == [2, 2, 2, 2, 2, 1]
    for off in ("TeacherLabels.missing_labels=null", "TeacherLabels.missing_labels=0.9"):
        nothing = load(tiny, teacher, off)
        assert [len(record.gt_bbox) for record in nothing.records] == [2, 1, 2, 1, 2]
        assert [record.gt_score for record in nothing.records] == [None] * 5


def test_soft_labels_count_as_the_teacher_says_and_its_unknown_classes_one(tiny: Path, teacher: Path) -> None:
    make_model(teacher, INFER_CFG | {"label_list": ["Other", " GREEN"]})  # names match but for case and blanks
    options = ("TeacherLabels.overlap=0.45", "TeacherLabels.missing_labels=null", "TeacherLabels.soft=0.5")
    scores: dict[tuple[int, bool], list[float]] = {}
    for record in load(tiny, teacher, *options).records:
        count = len(record.gt_bbox)
        weights = np.ones(count) if record.gt_score is None else record.gt_score[:, 0]
        for name, box, weight in zip(record.gt_class[:, 0].tolist(), record.gt_bbox.tolist(), weights, strict=True):
            scores.setdefault((name, box == [10, 20, 50, 50]), []).append(float(weight))
    assert {key: values for key, values in scores.items() if key[0] != 1} == {
        (0, False): [1.0] * 2,
        (0, True): [1.0],
        (2, False): [1.0] * 2,
        (2, True): [1.0],
    }
    assert scores[1, False] == [0.5]
    assert scores[1, True] == [pytest.approx(0.75, abs=0.02)]


def test_crowds_and_boxes_that_training_leaves_out_keep_the_teacher_away(tiny: Path, teacher: Path) -> None:
    content = json.loads((tiny.parent / "boxes.json").read_text())
    common = {"category_id": 1, "area": 400, "iscrowd": 0}
    middle = {"bbox": [20, 15, 40, 30]}
    content["annotations"] += [
        {"id": 90, "image_id": 6, **common, **middle, "ignore": 1},
        {"id": 91, "image_id": 2, **common, "bbox": [0, 0, 80, 60], "iscrowd": 1},
    ]
    (tiny.parent / "boxes.json").write_text(json.dumps(content))
    taught = load(tiny, teacher)
    assert [len(record.gt_bbox) for record in taught.records] == [3, 1, 3, 2, 3]


def test_the_model_detects_once(tiny: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(tiny, teacher, f"TeacherLabels.cache_dir={tmp_path / 'kept'}")
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".npz"]

    def again(*arguments: object) -> None:
        raise AssertionError("detects again")

    monkeypatch.setattr(module, "detect", again)
    for options in ((), ("TeacherLabels.soft=0.5", "TeacherLabels.missing_labels=0.05")):  # settings need no detector
        load(tiny, teacher, f"TeacherLabels.cache_dir={tmp_path / 'kept'}", *options)
    second = load(tiny, teacher, f"TeacherLabels.cache_dir={tmp_path / 'kept'}")
    for ours, theirs in zip(first.records, second.records, strict=True):
        np.testing.assert_array_equal(ours.gt_bbox, theirs.gt_bbox)
        np.testing.assert_array_equal(ours.gt_score, theirs.gt_score)
    with pytest.raises(AssertionError, match="detects again"):
        load(tiny, teacher)  # another folder: that of the data set


def test_an_interrupted_detection_goes_on(tiny: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detecting, "_AT_ONCE", 2)
    monkeypatch.setattr(detecting, "_PART_SECONDS", -1.0)
    read, calls = detecting._read, list[str]()

    def killed(file: ImageFile) -> np.ndarray | str:
        if Path(file.path).stem in ("5", "6"):
            raise KeyboardInterrupt
        return read(file)

    def counted(file: ImageFile) -> np.ndarray | str:
        calls.append(Path(file.path).stem)
        return read(file)

    monkeypatch.setattr(detecting, "_read", killed)
    with pytest.raises(KeyboardInterrupt):
        load(tiny, teacher)
    monkeypatch.setattr(detecting, "_read", counted)
    resumed = load(tiny, teacher)
    assert sorted(calls) == ["5", "6"]
    (file,) = (tiny.parent / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:300])
    fresh = load(tiny, teacher)
    assert len(calls) == 2 + 6
    for ours, theirs in zip(resumed.records, fresh.records, strict=True):
        np.testing.assert_array_equal(ours.gt_score, theirs.gt_score)


def test_the_log_says_what_the_teacher_does(tiny: Path, teacher: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load(tiny, teacher, "TeacherLabels.overlap=0.45")
    said = [record.getMessage() for record in caplog.records if record.name == module.__name__]
    assert said[0].endswith("classes that the teacher does not know: red, blue; its classes that are not used: other")
    assert said[1].startswith("TeacherLabels: detections in 0 of 6 images are in ")
    assert said[2] == "TeacherLabels: detected in 6 of 6 images"
    assert said[3] == "TeacherLabels: 6 detections; 1 of 8 labels have one of their class; 3 without a label are added"


def test_the_number_of_classes_is_checked_before_the_model_detects(tiny: Path, teacher: Path) -> None:
    with pytest.raises(UserError, match="^num_classes: the config says 2"):
        load(tiny, teacher, "num_classes=2", "TeacherLabels.model=nowhere")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("model=nowhere", r"TeacherLabels\.model: nowhere: there is no such file or folder"),
        ("model=null", r"TeacherLabels\.model: expected"),
        ("missing_labels=0.01", r"TeacherLabels\.missing_labels: "),
        ("missing_labels=1.5", r"TeacherLabels\.missing_labels: "),
        ("soft=-0.1", r"TeacherLabels\.soft: "),
        ("soft=2", r"TeacherLabels\.soft: "),
        ("overlap=0", r"TeacherLabels\.overlap: "),
        ("modell_=x", r"TeacherLabels\.modell_: TeacherLabels has no option"),
    ],
)
def test_wrong_options(tiny: Path, teacher: Path, option: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}[^\n]*$"):
        load(tiny, teacher, f"TeacherLabels.{option}")


def test_a_section_without_a_model_and_one_that_is_off(tiny: Path) -> None:
    with pytest.raises(UserError, match=r"^TeacherLabels\.model: required, not given$"):
        load_train_dataset(make_run(tiny, "TeacherLabels.soft=0.5"), None)
    assert len(load_train_dataset(make_run(tiny, "TeacherLabels=null"), None)) == 5


def test_a_model_without_settings_or_with_other_classes(tiny: Path, teacher: Path) -> None:
    make_model(teacher, config=None)
    with pytest.raises(UserError, match=r"^TeacherLabels\.model: [^\n]*has no infer_cfg[^\n]*$"):
        load(tiny, teacher)
    make_model(teacher)
    message = r"^TeacherLabels\.model: [^\n]* knows cat, dog, none of which .* \(red, green, blue\); [^\n]*$"
    with pytest.raises(UserError, match=message):
        load(tiny, teacher)


def test_a_cache_dir_that_cannot_be_written(tiny: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "detect", lambda *arguments: pytest.fail("detects before it knows"))
    with pytest.raises(UserError, match=r"^TeacherLabels\.cache_dir: [^\n]*cannot be written[^\n]*$"):
        load(tiny, teacher, f"TeacherLabels.cache_dir={tiny}")


def test_no_images(tiny: Path, teacher: Path) -> None:
    content = json.loads((tiny.parent / "boxes.json").read_text())
    (tiny.parent / "boxes.json").write_text(json.dumps(content | {"images": [], "annotations": []}))
    with pytest.raises(UserError, match="lists no images"):
        load(tiny, teacher)


def test_images_without_files_are_left_to_the_reader(tiny: Path, teacher: Path) -> None:
    os.remove(tiny.parent / "images" / "3.png")
    taught = load(tiny, teacher)
    assert [len(record.gt_bbox) for record in taught.records] == [3, 2, 2, 2, 3, 1]


def test_boxes_are_in_the_pixels_of_the_annotations(tiny: Path, teacher: Path) -> None:
    """Two images are stored lying, the first one annotated so, and the second one upright."""
    annotations = json.loads((tiny.parent / "boxes.json").read_text())
    for number, entry in enumerate(annotations["images"][:2]):
        data = encoded(".png", np.full((60, 80, 3), 128, np.uint8))
        file = tiny.parent / "images" / entry["file_name"]
        file.write_bytes(data[:33] + png_chunk(b"eXIf", exif(6)) + data[33:])
        entry |= {"height": 80, "width": 60} if number else {"height": 60, "width": 80}
    (tiny.parent / "boxes.json").write_text(json.dumps(annotations))
    taught = load(tiny, teacher, "TeacherLabels.overlap=0.9")
    boxes = [record.gt_bbox[-1] for record in taught.records[:2]]
    np.testing.assert_allclose(boxes, [MIDDLE, [15, 20, 45, 60]], rtol=1e-6)


def test_all_ranks_get_what_the_first_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [["a", "b"], ["c"]]
    sent = iter([*parts, []])
    monkeypatch.setattr(module.distributed, "all_gather_object", lambda mine: [next(sent), mine])
    assert module._on_all_ranks(iter(())) == ["a", "b", "c"]
    monkeypatch.setattr(module.distributed, "all_gather_object", lambda mine: [mine, []])
    assert module._on_all_ranks(iter(parts)) == ["a", "b", "c"]
