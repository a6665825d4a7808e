"""Configs by name; a file that exists wins over a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.core.shipped_configs import configs_folder, find_config, shipped_configs

NAME = "picodet_s_320_coco_lcnet"
FILE = configs_folder() / "picodet" / f"{NAME}.yml"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("given", [NAME, f"{NAME}.yml", f"configs/picodet/{NAME}.yml", Path(NAME), str(FILE)])
def test_ways_to_name_a_config(given: str | Path) -> None:
    assert find_config(given) == FILE
    assert load_config(given)["filename"] == NAME


def test_all_complete_configs_have_a_name() -> None:
    names = shipped_configs()
    assert names["picodet_l_640_coco"].parent.name == "legacy_model"
    assert not {"picodet_v2", "optimizer_300e", "runtime", "coco_detection"} & names.keys()
    for name in names:
        assert "architecture" in load_config(name), name


def test_a_file_wins(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.yml").write_text("epoch: 3")
    (tmp_path / NAME).write_text("epoch: 4")
    assert load_config(f"{NAME}.yml")["epoch"] == 3
    assert load_config(NAME)["epoch"] == 4


def test_a_base_by_name(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(f"_BASE_: [{NAME}, configs/datasets/voc.yml]\nepoch: 9")
    mine = load_config("mine.yml")
    assert (mine["epoch"], mine["metric"], mine["filename"]) == (9, "VOC", "mine")
    assert mine["LCNet"] == load_config(NAME)["LCNet"]


def test_a_base_beside_the_file_wins(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / NAME).write_text("epoch: 3")
    (tmp_path / "folder" / "mine.yml").write_text(f"_BASE_: {NAME}")
    assert load_config("folder/mine.yml") == load_config("folder/mine.yml", ["epoch=3"])
    assert len(load_config("folder/mine.yml")) == 2


@pytest.mark.parametrize(
    ("given", "names"),
    [("picodet_xs_416_lcnet", "a name, as picodet_xs_416_coco_lcnet or "), ("zzz", "a name; ppdet config --list")],
)
def test_unknown_names(given: str, names: str) -> None:
    with pytest.raises(UserError, match=names):
        load_config(given)
    assert find_config(given) == Path(given)
    assert find_config("x" * 5000) == Path("x" * 5000)
