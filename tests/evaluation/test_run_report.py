"""What the report knows of the run: the training set has the classes of the images that are evaluated."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from ppdet.data.datasets import Dataset
from ppdet.evaluation.run_report import _training_set
from tests.support.tiny import make_run


def boxes_by_name(dataset: Dataset) -> dict[str, int]:
    names = [category.name for category in dataset.categories]
    return Counter(names[index] for record in dataset.records for index in record.gt_class.reshape(-1).tolist())


def with_turned_names(tiny: Path) -> tuple[Path, dict[str, int]]:
    """A file that has the names of boxes.json in another order, and its boxes by name."""
    content = json.loads((tiny.parent / "boxes.json").read_text())
    ids, names = zip(*((category["id"], category["name"]) for category in content["categories"]), strict=True)
    turned = dict(zip(ids, [*names[1:], names[0]], strict=True))
    content["categories"] = [{"id": number, "name": name} for number, name in turned.items()]
    file = tiny.parent / "turned.json"
    file.write_text(json.dumps(content))
    return file, Counter(turned[each["category_id"]] for each in content["annotations"])


def test_boxes_for_training_are_counted_by_name(tiny: Path) -> None:
    file, expected = with_turned_names(tiny)
    session = make_run(tiny, f"TrainDataset.anno_path={file}", "remap_classes=true", "device=cpu")
    evaluated = session.load_annotated("EvalDataset")
    training = _training_set(session, evaluated)
    assert training is not None
    assert [each.name for each in training.categories] == [each.name for each in evaluated.categories]
    assert boxes_by_name(training) == expected != boxes_by_name(evaluated)


def test_a_training_set_of_other_classes_is_left_out(tiny: Path) -> None:
    file, _ = with_turned_names(tiny)
    session = make_run(tiny, f"TrainDataset.anno_path={file}", "device=cpu")
    assert _training_set(session, session.load_annotated("EvalDataset")) is None
