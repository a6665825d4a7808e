"""From a folder to a config: its text, the datasets that it names, and the folder that stays as it is."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from ppdet.core.config import Config, load_config
from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_edit.convert import write
from ppdet.data_edit.read import read_parts
from ppdet.data_new.machine import Machine
from ppdet.data_new.new import Made, make_config
from tests.data_new.conftest import MakeYolo
from tests.support.data_faults import clean_set

CPU = Machine(False, 16.0, 2)
CARD = Machine(True, 24.0, 8)


def make(folder: Path, model: str = "picodet_s_320", config: str = "my.yml", machine: Machine = CPU) -> Made:
    return make_config(folder, model, Path(config), None, None, machine)


def loaded(config: str = "my.yml") -> dict[str, Dataset]:
    found, _ = datasets_of(Path(config), (), None)
    return {name: dataset.load() for name, dataset in found.items()}


def content_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


TEXT = """\
# Made by ppdet data new. cells: taken for YOLODataSet
# Paths are relative to the folder that ppdet is started in.
_BASE_: picodet_s_320_coco_lcnet # all that is not set here
# The input: 320 x 320 pixels; no class has over 20% of its boxes under 8 pixels there
pretrain_weights: picodet_s_320_coco_lcnet # trained on COCO, downloaded by the first run; a file is possible as well
weights: output/my/best_model # what eval, infer and export take
num_classes: 3 # red, green, blue

TrainDataset: !COCODataSet {dataset_dir: my_lists, anno_path: train.json} # 34 images
EvalDataset: !COCODataSet {dataset_dir: my_lists, anno_path: val.json, allow_empty: true} # 6 images
TestDataset: !ImageFolder {dataset_dir: my_lists, anno_path: val.json} # for the names of the classes

epoch: 90 # 360 updates; more if the AP still rises at the end
snapshot_epoch: 9 # epochs from checkpoint to checkpoint
keep_last: 3 # checkpoints, and the best one
worker_num: 2 # processes that read images
TrainReader:
  batch_size: 8 # for 34 images and a CPU with 2 cores
LearningRate: # base_lr, 0.32 for 256 images per update, becomes 0.01 for 8
  schedulers:
    - !CosineDecay {max_epochs: 90} # the same as epoch
    - !LinearWarmup {start_factor: 0.1, steps: 18} # updates in which the rate rises
PicoHeadV2:
  static_assigner_epoch: 18 # epochs of the simpler assigner
"""


def test_a_folder_without_a_split(make_yolo: MakeYolo) -> None:
    make_yolo()
    before = content_of(Path("cells"))
    made = make(Path("cells"))
    assert Path("my.yml").read_text() == TEXT
    assert made.remarks == ["the folder has no validation split: 15% of the images were chosen"]
    assert content_of(Path("cells")) == before
    assert sorted(path.name for path in Path().iterdir()) == ["cells", "my.yml", "my_lists"]
    data = loaded()
    files = {name: {Path(record.im_file).resolve() for record in each.records} for name, each in data.items()}
    assert {name: len(found) for name, found in files.items()} == {"train": 34, "val": 6}
    assert files["train"] | files["val"] == {path.resolve() for path in Path("cells/images").iterdir()}
    assert [category.name for category in data["train"].categories] == ["red", "green", "blue"]


def test_the_settings_are_those_of_the_published_config_but_for_what_is_written(make_yolo: MakeYolo) -> None:
    make(make_yolo(), machine=CARD)
    published, new = load_config("picodet_s_320_coco_lcnet"), load_config("my.yml")
    changed = {key for key in new if new[key] != published.get(key)}
    assert changed == {
        *("filename", "pretrain_weights", "weights", "num_classes", "TrainDataset", "EvalDataset", "TestDataset"),
        *("epoch", "snapshot_epoch", "keep_last", "TrainReader", "LearningRate", "PicoHeadV2"),
    }
    reader, head = new["TrainReader"], new["PicoHeadV2"]
    assert isinstance(reader, Config)
    assert reader.to_dict() == published["TrainReader"].to_dict() | {"batch_size": 8}
    assert head.to_dict() == published["PicoHeadV2"].to_dict() | {"static_assigner_epoch": 18}
    assert new["LearningRate"]["base_lr"] == 0.32
    assert new["worker_num"] == 6


def test_the_splits_of_the_folder_are_used(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "set").root
    made = make(folder)
    assert made.remarks == []
    assert not Path("my_lists").exists()
    config = load_config("my.yml")
    assert config["TrainDataset"].to_dict() == {"name": "AutoDataset", "dataset_dir": str(folder), "split": "train"}
    assert config["TestDataset"].to_dict() == {
        "name": "ImageFolder",
        "dataset_dir": str(folder),
        "anno_path": "train.json",
    }
    data = loaded()
    assert {name: len(each.records) for name, each in data.items()} == {"train": 24, "val": 20}


def test_images_in_both_splits_are_said(tmp_path: Path) -> None:
    made = clean_set(tmp_path / "set")
    made.val["images"].append({"id": 900, "file_name": "../train/3.png"})
    made.save()
    remark = "1 images are in more than one split; use `ppdet data split`, which corrects it"
    assert make(made.root).remarks == [remark]


def test_splits_whose_classes_are_in_another_order_get_lists(tmp_path: Path) -> None:
    made = clean_set(tmp_path / "set")
    made.val["categories"].reverse()
    made.save()
    make(made.root)
    data = loaded()
    assert [category.name for category in data["val"].categories] == ["red", "green", "blue"]
    assert [category.name for category in data["train"].categories] == ["red", "green", "blue"]
    boxes = data["val"].records[0]
    assert boxes.gt_class.ravel().tolist() == [0, 1, 2]
    assert boxes.gt_bbox[0].tolist() == [10, 10, 50, 50]


def test_a_format_without_a_list_of_classes_gets_lists(tmp_path: Path) -> None:
    write(tmp_path / "voc", read_parts(clean_set(tmp_path / "set").root, ()), "voc")
    (tmp_path / "voc" / "label_list.txt").unlink()
    made = make(Path("voc"))
    assert "taken for VOCDataSet" in made.plan.origin
    assert {name: len(each.records) for name, each in loaded().items()} == {"train": 24, "val": 20}
    assert [category["name"] for category in json.loads(Path("my_lists/val.json").read_text())["categories"]] == [
        *("blue", "green", "red")
    ]


def test_train_is_divided_if_there_is_no_val(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "set").root
    (folder / "val.json").rename(folder / "test.json")
    (folder / "val").rename(folder / "test")
    made = make(folder)
    assert made.remarks[:2] == [
        "the split test of the folder is not used",
        "the folder has no validation split: 15% of the images were chosen",
    ]
    assert {name: len(each.records) for name, each in loaded().items()} == {"train": 20, "val": 4}


NAMES = ["no", "1", "on", "a: b", "# x", "{y}", "~", "1e3", "细胞", "'"]


def test_class_names_that_yaml_would_misread(make_yolo: MakeYolo) -> None:
    make(make_yolo(names=NAMES))
    assert load_config("my.yml")["num_classes"] == 10
    assert [category.name for category in loaded()["train"].categories] == NAMES
    assert "num_classes: 10 # no, 1, on, a: b, # x, {y}, ~, 1e3, 细胞, '\n" in Path("my.yml").read_text("utf-8")


@pytest.mark.parametrize("name", ["blood cells", "血液", "a # b: c", "null", "'q'", "-", "{x}"])
def test_paths_that_yaml_would_misread(name: str, make_yolo: MakeYolo) -> None:
    make(Path(make_yolo(name=name).name), config=f"{name}.yml")
    assert {each: len(data.records) for each, data in loaded(f"{name}.yml").items()} == {"train": 34, "val": 6}
    assert load_config(f"{name}.yml")["weights"] == f"output/{name}/best_model"


def test_one_class(make_yolo: MakeYolo) -> None:
    make(make_yolo(names=["cell"]))
    assert load_config("my.yml")["num_classes"] == 1
    assert len(loaded()["train"].records) == 34


@pytest.mark.parametrize(("count", "train", "batch"), [(4, 3, 2), (6, 5, 4), (9, 8, 8)])
def test_few_images(count: int, train: int, batch: int, make_yolo: MakeYolo) -> None:
    plan = make(make_yolo(count)).plan
    assert (plan.num_images, plan.batch_size, plan.steps) == (train, batch, train // batch)
    assert plan.epochs == (300 if plan.steps == 1 else 20)
    assert len(loaded()["val"].records) == count - train


def test_images_without_boxes_are_trained_on(make_yolo: MakeYolo) -> None:
    folder = make_yolo()
    for number in range(10):
        (folder / "labels" / f"{number}.txt").write_text("")
    assert make(folder).remarks[-1] == "9 images for training have no boxes: the model learns from them as background"
    text = Path("my.yml").read_text()
    found = re.search(r"train.json, allow_empty: true} # (\d+) images, (\d+) of them without boxes\n", text)
    assert found
    assert (int(found[1]), int(found[2])) == (34, 9)
    assert len(loaded()["train"].records) == 34


def shrink(folder: Path, side: float) -> None:
    """Gives all boxes a side, as a share of the image."""
    for file in (folder / "labels").iterdir():
        rows = [line.split()[:3] + [f"{side:.6f}"] * 2 for line in file.read_text().splitlines()]
        file.write_text("".join(" ".join(row) + "\n" for row in rows))


def test_the_size_is_chosen_by_the_boxes(make_yolo: MakeYolo) -> None:
    folder = make_yolo()
    shrink(folder, 7 / 320)
    plan = make(folder, "picodet_s").plan
    assert plan.model.name == "picodet_s_416"
    config = load_config("my.yml")
    assert config["TestReader"]["inputs_def"]["image_shape"] == (1, 3, 416, 416)
    assert plan.input_reason.endswith("there, nor at 320, which is faster") is False
    shrink(folder, 6 / 320)
    plan = make(folder, "picodet_s", "large.yml").plan
    assert plan.model.name == "picodet_s_640"
    config = load_config("large.yml")
    assert config["TestReader"]["inputs_def"]["image_shape"] == (1, 3, 640, 640)
    assert config["pretrain_weights"] == "picodet_s_416_coco_lcnet"
    assert config["LCNet"]["scale"] == 0.75


def test_a_size_that_is_given_stays_with_a_hint(make_yolo: MakeYolo) -> None:
    folder = make_yolo()
    shrink(folder, 7 / 320)
    plan = make(folder, "picodet_s_320").plan
    assert plan.model.name == "picodet_s_320"
    said = "320 x 320 pixels; 100% of red, 100% of green, 100% of blue are under 8 pixels there; 416 suits them better"
    assert plan.input_reason == said
    assert f"# The input: {said}\n" in Path("my.yml").read_text()


def test_nothing_is_written_if_the_lists_cannot_be(make_yolo: MakeYolo, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> list[str]:
        raise UserError("--output: my_lists cannot be written (No space left on device); give another folder")

    monkeypatch.setattr("ppdet.data_new.new.write", full)
    with pytest.raises(UserError, match="No space left"):
        make(make_yolo())
    assert [path.name for path in Path().iterdir()] == ["cells"]


def test_copies_stay_in_one_split(make_yolo: MakeYolo) -> None:
    folder = make_yolo(30)
    for number in range(10):
        shutil.copy(folder / "images" / f"{number}.png", folder / "images" / f"copy{number}.png")
        shutil.copy(folder / "labels" / f"{number}.txt", folder / "labels" / f"copy{number}.txt")
    make(folder)
    names = [{Path(r.im_file).stem.removeprefix("copy") for r in data.records} for data in loaded().values()]
    assert not names[0] & names[1]
