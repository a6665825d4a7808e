from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_check.split import Network
from tests.support.data_faults import FaultySet, copy_of

CONFIG = """
num_classes: 3
TrainDataset: !COCODataSet {{dataset_dir: "{root}", image_dir: train, anno_path: train.json}}
EvalReader: {{sample_transforms: [{{Decode: {{}}}}, {{Resize: {{target_size: [256, 416], keep_ratio: true}}}}]}}
"""


def write(clean: FaultySet, folder: Path, more: str = "") -> Path:
    path = folder / "mine.yml"
    path.write_text(CONFIG.format(root=clean.root) + more)
    return path


def test_a_folder(clean: FaultySet) -> None:
    datasets, network = datasets_of(clean.root, [], None)
    assert {name: dataset.anno_path for name, dataset in datasets.items()} == {"train": "train.json", "val": "val.json"}
    assert [dataset.image_dir for dataset in datasets.values()] == ["train", "val"]
    assert network == Network()
    assert list(datasets_of(clean.root, ["val"], None)[0]) == ["val"]


def test_a_config_without_eval_dataset(clean: FaultySet, tmp_path: Path) -> None:
    datasets, network = datasets_of(write(clean, tmp_path), [], None)
    assert list(datasets) == ["train"]
    assert isinstance(datasets["train"], COCODataSet)
    assert network == Network((256, 416), keep_ratio=True, num_classes=3)


def test_the_size_wins(clean: FaultySet, tmp_path: Path) -> None:
    assert datasets_of(write(clean, tmp_path), [], 640)[1] == Network((640, 640), keep_ratio=True, num_classes=3)


def test_a_published_config() -> None:
    datasets, network = datasets_of(Path("picodet_s_416_coco_lcnet"), [], None)
    assert list(datasets) == ["train", "val"]
    assert network == Network((416, 416), num_classes=80)


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        (["val"], "", "--split: found 'val', which the config has no dataset for; expected train or val"),
        (["dev"], "", "--split: found 'dev'"),
        ([], "EvalDataset: !Decode {}", "EvalDataset: .*'Decode'"),
        ([], "EvalDataset: 3", "EvalDataset: expected a class"),
    ],
)
def test_a_wrong_config(names: list[str], more: str, message: str, clean: FaultySet, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        datasets_of(write(clean, tmp_path, more), names, None)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in no known format; looked for"):
        datasets_of(tmp_path, [], None)


def test_lists_that_are_in_no_split_are_said(
    clean: FaultySet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = copy_of(clean, tmp_path / "set").root
    shutil.copy(root / "val.json", root / "more.json")
    assert list(datasets_of(root, [], None)[0]) == ["train", "val"]
    assert caplog.messages == [f"{root}: is in no split, and left out; --split reads it: more.json"]
    assert list(datasets_of(root, ["train", "more"], None)[0]) == ["train", "more"]
    assert len(caplog.messages) == 1
