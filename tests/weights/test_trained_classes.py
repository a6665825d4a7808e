"""The classes of a training, from its checkpoints or its dataset, and what datasets are compared with."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import Category, COCODataSet, VOCDataSet, default_categories
from ppdet.training.checkpoint import save_checkpoint, save_weights
from ppdet.training.checkpoint_folder import read_whole
from ppdet.training.setup import build_trainer
from ppdet.weights.trained_classes import TrainedClasses, published_classes, stored_classes, warn_of_order
from tests.support.tiny import CLASSES, make_run


def listed(*names: str) -> list[Category]:
    return [Category(index, name) for index, name in enumerate(names)]


def test_other_classes_and_another_order() -> None:
    trained = TrainedClasses(listed("a", "b", "c"), "the training")
    trained.check("EvalDataset", [Category(id, name) for id, name in ((7, "a"), (9, "b"), (2, "c"))])  # ids are free
    accented = TrainedClasses(listed("\u00e9", "b"), "the training")
    accented.check("EvalDataset", listed("e\u0301", "b"))  # the same, composed in the other way
    with pytest.raises(UserError) as error:
        trained.check("EvalDataset", listed("a", "c", "b"))
    assert str(error.value) == (
        "EvalDataset: class 1 is 'c' there but 'b' in the training; put its categories (JSON) or lines (label list) in "
        "the order a, b, c"
    )
    with pytest.raises(UserError, match="'d' there but 'c' in the training; list the same classes in the same order"):
        trained.check("TestDataset", listed("a", "b", "d"))


@pytest.mark.parametrize("weights", ["picodet_xs_320_coco_lcnet", "/x/picodet_s_320_coco.pdparams"])
def test_published_weights_know_the_order_but_not_the_spelling(weights: str) -> None:
    trained = published_classes(weights)
    assert trained is not None
    coco = default_categories(80)
    trained.check("EvalDataset", coco)
    trained.check("EvalDataset", [Category(c.id, c.name.replace("airplane", "aeroplane")) for c in coco])
    with pytest.raises(
        UserError, match="'toothbrush' there but 'person' in COCO, which .* order person, .* and 60 more$"
    ):
        trained.check("EvalDataset", coco[::-1])


@pytest.mark.parametrize("weights", ["", "output/x/best_model", "picodet_xs_320_coco_lcnet/model_final"])
def test_other_weights_are_not_the_published(weights: str) -> None:
    assert published_classes(weights) is None


@pytest.fixture
def checkpoint(tiny: Path) -> Path:
    trainer, progress = build_trainer(make_run(tiny))
    path = tiny.parent / "v1.0"
    save_checkpoint(path, trainer.model, trainer.optimizer, trainer.ema, progress, trainer.scaler, trainer.categories)
    return path


def test_a_checkpoint_holds_its_classes(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [
        (category["id"], category["name"])
        for category in json.loads((checkpoint.parent / "boxes.json").read_text())["categories"]
    ]
    monkeypatch.setenv("HOME", str(checkpoint.parent))
    for weights in (checkpoint, f"{checkpoint}.pdparams", "~/v1.0"):
        found = stored_classes(weights)
        assert found is not None
        assert [(category.id, category.name) for category in found.categories] == expected
        assert found.source.endswith("v1.0.pdparams")
    assert tuple(found.names) == CLASSES


def test_fine_tuning_from_the_same_classes_in_another_order(
    checkpoint: Path, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_trainer(make_run(tiny, f"pretrain_weights={checkpoint}"))
    warn_of_order(str(checkpoint), listed("new", "classes"))
    assert "pretrain_weights" not in caplog.text
    file = tiny.parent / "boxes.json"
    content = json.loads(file.read_text())
    content["categories"].reverse()
    file.write_text(json.dumps(content))
    build_trainer(make_run(tiny, f"pretrain_weights={checkpoint}"))
    assert f"pretrain_weights: classes start as other ones (TrainDataset: class 0 is {CLASSES[-1]!r}" in caplog.text


def test_changed_classes_are_a_damaged_checkpoint(checkpoint: Path) -> None:
    import paddle

    read_whole(checkpoint)
    file = f"{checkpoint}.pdstate"
    state = paddle.load(file)
    state["classes"].reverse()
    paddle.save(state, file)
    with pytest.raises(UserError, match="damaged"):
        read_whole(checkpoint)


def test_weights_that_belong_to_no_checkpoint(checkpoint: Path, tiny: Path) -> None:
    state = checkpoint.with_name("v1.0.pdstate")
    for weights in (checkpoint.parent / "none", checkpoint.parent, "", "/", "."):
        assert stored_classes(weights) is None
    state.write_bytes(state.read_bytes()[:100])
    assert stored_classes(checkpoint) is None
    state.unlink()
    assert stored_classes(checkpoint) is None


def test_a_state_beside_other_weights_says_nothing(checkpoint: Path, tiny: Path) -> None:
    model = make_run(tiny).build_model()
    save_weights(checkpoint, model, model.state_dict())
    assert stored_classes(checkpoint) is None


def test_a_checkpoint_of_an_earlier_version(tiny: Path) -> None:
    trainer, progress = build_trainer(make_run(tiny))
    path = tiny.parent / "old"
    save_checkpoint(path, trainer.model, trainer.optimizer, trainer.ema, progress, trainer.scaler)
    assert stored_classes(path) is None
    read_whole(path)


def test_where_the_classes_are_known_from(checkpoint: Path, tiny: Path) -> None:
    found = make_run(tiny, f"weights={checkpoint}").trained_classes()
    assert found is not None
    assert found.source.startswith("the training of ")
    for weights in ("", f"weights={tiny.parent}/foreign"):
        found = make_run(tiny, *([weights] if weights else [])).trained_classes()
        assert found == TrainedClasses(found.categories, "TrainDataset")
        assert tuple(found.names) == CLASSES
    # what cannot be compared does not stand in the way
    assert make_run(tiny, "TrainDataset.anno_path=none.json").trained_classes() is None
    assert make_run(tiny, "num_classes=80").trained_classes() is None
    content = json.loads((tiny.parent / "boxes.json").read_text())
    (tiny.parent / "many.json").write_text(json.dumps({"categories": content["categories"]}) + " " * 2**25)
    assert make_run(tiny, "TrainDataset.anno_path=many.json").trained_classes() is None
    (tiny.parent / "many.json").write_text("{")
    assert make_run(tiny, "TrainDataset.anno_path=many.json").trained_classes() is None


def test_peeking_reads_no_boxes(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"categories": [{"id": 4, "name": "x"}], "images": 3}')
    assert COCODataSet(str(tmp_path), anno_path="a.json").peek_categories() == [Category(4, "x")]
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "list.txt").write_text("0\n")
    dataset = VOCDataSet(str(tmp_path), anno_path="list.txt")
    (tmp_path / "Annotations" / "0.xml").write_text("<annotation><object><name>x</name></object></annotation>")
    assert dataset.peek_categories() == [Category(0, "x")]
    for number in range(1, 5002):
        os.link(tmp_path / "Annotations" / "0.xml", tmp_path / "Annotations" / f"{number}.xml")
    assert dataset.peek_categories() == []
    (tmp_path / "label_list.txt").write_text("y\nx\n")
    assert dataset.peek_categories() == [Category(0, "y"), Category(1, "x")]


def test_an_evaluation_set_without_a_label_list_takes_the_order_of_the_training(tiny: Path, tmp_path: Path) -> None:
    for folder in ("JPEGImages", "Annotations"):
        (tmp_path / folder).mkdir()
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>20</xmax><ymax>20</ymax></bndbox>"
    xml = f"<annotation><object><name>{CLASSES[1]}</name>{box}</object></annotation>"
    (tmp_path / "Annotations" / "a.xml").write_text(xml)
    shutil.copy(next((tiny.parent / "images").iterdir()), tmp_path / "JPEGImages" / "a.png")
    (tmp_path / "list.txt").write_text("a")
    run = make_run(tiny, f"EvalDataset=!VOCDataSet {{dataset_dir: {tmp_path}, anno_path: list.txt}}")
    dataset = run.load_dataset("EvalDataset", run.trained_classes())
    assert [category.name for category in dataset.categories] == list(CLASSES)
    assert dataset.records[0].gt_class.tolist() == [[1]]
    (tmp_path / "Annotations" / "a.xml").write_text(xml.replace(CLASSES[1], "zebra"))
    with pytest.raises(UserError, match="class 'zebra' is not among the classes of the training"):
        run.load_dataset("EvalDataset", run.trained_classes())
