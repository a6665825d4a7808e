"""The classes of a training, from its checkpoints or its dataset, and what datasets are compared with."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import Category, COCODataSet, VOCDataSet, default_categories
from ppdet.training.checkpoint import save_checkpoint, save_weights
from ppdet.training.checkpoint_folder import read_whole, state_checksum
from ppdet.training.setup import build_trainer
from ppdet.utils.files import checksum
from ppdet.weights.trained_classes import TrainedClasses, published_classes, starting_classes, stored_classes
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
        "EvalDataset: class 1 is 'c' there but 'b' in the training; found a, c, b; expected a, b, c; put its "
        "categories (JSON) or lines (label list) in that order, or add --remap_classes to match them by name"
    )
    with pytest.raises(
        UserError, match="'d' there but 'c' in the training; .*; list the same classes in the same orde"
    ):
        trained.check("TestDataset", listed("a", "b", "d"))


@pytest.mark.parametrize("weights", ["picodet_xs_320_coco_lcnet", "/x/picodet_s_320_coco.pdparams"])
def test_published_weights_know_the_order_but_not_the_spelling(weights: str) -> None:
    trained = published_classes(weights)
    assert trained is not None
    coco = default_categories(80)
    trained.check("EvalDataset", coco)
    trained.check("EvalDataset", [Category(c.id, c.name.replace("airplane", "aeroplane")) for c in coco])
    shown = r"found 80 classes \(toothbrush, hair drier, .*, …\); expected 80 classes \(person, bicycle, .*, …\); put"
    with pytest.raises(UserError, match=f"'toothbrush' there but 'person' in COCO, which .*; {shown}"):
        trained.check("EvalDataset", coco[::-1])
    with pytest.raises(UserError, match=r"lists 79 classes but COCO, .* has 80; .* \(lacking: toothbrush\), or add"):
        trained.check("EvalDataset", coco[:-1])


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
    starting_classes(str(checkpoint), checkpoint, listed("new", "classes"), by_name=False)
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
    without_classes(checkpoint)
    state = checkpoint.with_name("v1.0.pdstate")
    for weights in (checkpoint.parent / "none", checkpoint.parent, "", "/", "."):
        assert stored_classes(weights) is None
    state.write_bytes(state.read_bytes()[:100])
    assert stored_classes(checkpoint) is None
    state.unlink()
    assert stored_classes(checkpoint) is None


def without_classes(weights: Path) -> None:
    """Make a checkpoint what earlier versions wrote: the classes in `.pdstate` alone."""
    import paddle

    file, state_file = (Path(f"{weights}{suffix}") for suffix in (".pdparams", ".pdstate"))
    content = paddle.load(str(file), return_numpy=True)
    del content["ppdet.classes"]
    paddle.save(content, str(file))
    state = paddle.load(str(state_file), return_numpy=True)
    state["checksums"] |= {".pdparams": checksum(file)}
    state["checksums"][".pdstate"] = state_checksum(state)
    paddle.save(state, str(state_file))


def test_checkpoints_of_earlier_versions_have_their_classes_beside_them(checkpoint: Path, tiny: Path) -> None:
    without_classes(checkpoint)
    found = stored_classes(checkpoint)
    assert found is not None
    assert tuple(found.names) == CLASSES
    read_whole(checkpoint)
    make_run(tiny, f"weights={checkpoint}").load_model()
    build_trainer(make_run(tiny), resume=checkpoint)  # raises nothing


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
    with pytest.raises(
        UserError, match="^--remap_classes: the weights: no class names in it, nor in TrainDataset; give"
    ):
        make_run(tiny, "TrainDataset.anno_path=none.json", "remap_classes=true").trained_classes()
    content = json.loads((tiny.parent / "boxes.json").read_text())
    (tiny.parent / "many.json").write_text(json.dumps({"categories": content["categories"]}) + " " * 2**25)
    assert make_run(tiny, "TrainDataset.anno_path=many.json").trained_classes() is None
    (tiny.parent / "many.json").write_text("{")
    assert make_run(tiny, "TrainDataset.anno_path=many.json").trained_classes() is None


def test_weights_travel_with_their_classes(checkpoint: Path, tiny: Path, tmp_path: Path) -> None:
    """The weights file alone knows names, order and ids, and the model that it holds is as before."""
    sent = Path(shutil.copy(f"{checkpoint}.pdparams", tmp_path / "sent.pdparams"))
    found, original = stored_classes(sent), stored_classes(checkpoint)
    assert found is not None
    assert original is not None
    assert found.categories == original.categories
    assert found.source == f"the training of {sent}"
    make_run(tiny, f"weights={sent}").load_model()


def test_matching_by_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    trained = TrainedClasses(
        [Category(7, "a"), Category(8, "Stop Sign"), Category(9, "c"), Category(1, "d")], "the run"
    )
    found = [Category(5, "c"), Category(6, "zebra"), Category(1, "stopsign"), Category(2, "a")]
    matched = trained.match("EvalDataset", found, by_name=True)
    assert matched is not None
    assert matched.index == [2, None, 1, 0]
    # the ids of the data set; `d`, which it lacks, gets one that it does not use
    assert matched.categories == [Category(2, "a"), Category(1, "Stop Sign"), Category(5, "c"), Category(7, "d")]
    assert caplog.messages == [
        "EvalDataset: classes matched by name with the run: c 0 as 2, stopsign 2 as 1 (Stop Sign), a 3 as 0; left out "
        "of the data set: zebra; not in it: d"
    ]
    assert trained.match("EvalDataset", trained.categories, by_name=True) is None  # nothing to do, nothing to say
    assert len(caplog.messages) == 1
    with pytest.raises(UserError) as error:
        trained.match("EvalDataset", listed("x", "y"), by_name=True)
    assert str(error.value) == (
        "EvalDataset: --remap_classes: class 0 is 'x' there but 'a' in the run; found x, y; expected a, Stop Sign, c, "
        "d; no class is in both: check -c and the weights"
    )


def test_ids_of_text_and_numbers() -> None:
    matched = TrainedClasses(listed("a", "b", "c"), "").match(
        "", [Category("x", "c"), Category(3.5, "a")], by_name=True
    )
    assert matched is not None
    assert matched.categories == [Category(3.5, "a"), Category(4, "b"), Category("x", "c")]
    matched = TrainedClasses(listed("a", "b", "c"), "").match(
        "", [Category("1", "c"), Category("-4", "a")], by_name=True
    )
    assert matched is not None
    assert matched.categories == [Category("-4", "a"), Category(2, "b"), Category("1", "c")]


def test_fine_tuning_by_name(checkpoint: Path, tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each class starts from its own outputs in the weights, a new one and the rest of the model as without weights."""
    caplog.set_level("INFO")
    source = make_run(tiny, f"weights={checkpoint}").load_model()
    file = tiny.parent / "boxes.json"
    content = json.loads(file.read_text())
    content["categories"] = [*content["categories"][::-1], {"id": 77, "name": "new"}]
    file.write_text(json.dumps(content))
    options = [f"pretrain_weights={checkpoint}", f"num_classes={len(CLASSES) + 1}", "seed=1"]
    fresh, _ = build_trainer(make_run(tiny, *options[1:], "pretrain_weights=null"))
    trainer, _ = build_trainer(make_run(tiny, *options, "remap_classes=true"))
    assert f"{CLASSES[-1]} 0 as {len(CLASSES) - 1}, " in caplog.text
    assert caplog.text.count("untrained: new\n") == 1
    layers = [name for name in source.state_dict() if name.startswith("head.head_cls.")]
    assert layers
    for name in layers:
        ours, theirs = (model.state_dict()[name].numpy() for model in (trainer.model, source))
        count = len(CLASSES)
        np.testing.assert_array_equal(ours[:count], theirs[:count][::-1])
        np.testing.assert_array_equal(ours[count], fresh.model.state_dict()[name].numpy()[count])
        np.testing.assert_array_equal(ours[count + 1 :], theirs[count:])  # outputs for boxes in the same layer
    stem = next(name for name in source.state_dict() if name.startswith("backbone."))
    np.testing.assert_array_equal(trainer.model.state_dict()[stem].numpy(), source.state_dict()[stem].numpy())


def test_fine_tuning_by_name_from_weights_without_names(
    tiny: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_run(tiny).build_model()
    save_weights(tiny.parent / "bare", model, model.state_dict())
    weights = tiny.parent / "bare.pdparams"
    assert starting_classes(str(weights), weights, listed("a"), by_name=True) is None
    assert f"pretrain_weights: --remap_classes: {weights} names no classes; none is matched" in caplog.text


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
