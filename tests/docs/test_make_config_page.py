"""docs/config.md: the list of keys is that of the code, and the examples are true."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.check import check_config
from ppdet.core.config import load_config, load_with_places
from ppdet.core.errors import UserError
from ppdet.core.explain import Explainer
from ppdet.core.option_docs import meaning
from ppdet.core.registry import class_table, parameters_of
from ppdet.core.settings import ExportSettings, Settings
from ppdet.core.yaml_text import parse

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "config.md").read_text(encoding="utf-8")
YAML_BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_config_page", DOCS / "make_config_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_list_is_up_to_date(script: ModuleType) -> None:
    assert script.page() == PAGE, "run python3 docs/make_config_page.py"


def test_every_key_is_listed() -> None:
    load_classes()
    for option in (*fields(Settings), *fields(ExportSettings)):
        assert f"`{option.name}`" in PAGE
    own = [cls for cls in class_table().values() if cls.__module__.startswith("ppdet.")]
    assert len(own) > 30
    for cls in own:
        (section,) = re.findall(
            rf"^#### [^\n]*\b{cls.__name__}\b[^\n]*\n(.*?)(?=^##|\Z)", PAGE, flags=re.DOTALL | re.MULTILINE
        )
        for name in parameters_of(cls):
            assert f"| `{name}` |" in section
            assert meaning(cls, name), f"{cls.__name__}: its docstring says nothing about {name}"


def test_the_config_of_ones_own(tmp_path: Path) -> None:
    load_classes()
    (text,) = [block for block in YAML_BLOCKS if block.startswith("# my.yml")]
    (tmp_path / "my.yml").write_text(text)
    cfg = load_config(tmp_path / "my.yml")
    builder = Builder(cfg)
    check_config(builder)
    assert cfg["TrainDataset"].to_dict() == {
        "name": "COCODataSet",
        "dataset_dir": "data",
        "image_dir": "train",
        "anno_path": "train.json",
    }
    assert (cfg["LCNet"]["scale"], cfg["LCNet"]["feature_maps"]) == (1.0, (3, 4, 5))
    assert builder.build("TrainReader").batch_size == 16


def test_parts_of_configs_are_what_they_say(tmp_path: Path) -> None:
    load_classes()
    parts = [block for block in YAML_BLOCKS if block.startswith("# a part of a config")]
    assert len(parts) == len(YAML_BLOCKS) - 1
    (tmp_path / "my.yml").write_text("_BASE_: picodet_s_320_coco_lcnet\n" + "".join(parts))
    builder = Builder(load_config(tmp_path / "my.yml"))
    names = [type(each).__name__ for each in builder.build("TrainReader").sample_transforms]
    assert names == ["Decode", "RandomFlip", "RandomCrop"]
    explainer = Explainer(builder, {})
    keys = ("PicoHeadV2.num_classes", "PicoDet.backbone.scale", "PicoDet.backbone.act")
    assert [entry.value for key in keys if (entry := explainer.entry(key))] == [3, 0.5, "relu"]


def test_what_explain_prints() -> None:
    load_classes()
    cfg, places = load_with_places("picodet_s_320_coco_lcnet")
    first = Explainer(Builder(cfg), places).explain("PicoHeadV2.num_classes").splitlines()[:2]
    assert "\n".join([first[0], re.sub(r"/\S*/configs/", "configs/", first[1])]) in PAGE


@pytest.mark.parametrize("override", ["LCNet.scle=1", "epoch=0"])
def test_the_messages(override: str) -> None:
    load_classes()
    with pytest.raises(UserError) as error:
        check_config(Builder(load_config("picodet_s_320_coco_lcnet", [override])))
    assert f"`{error.value}`" in PAGE


@pytest.mark.parametrize("line", [line for line in PAGE.splitlines() if line.startswith("ppdet train")])
def test_the_overrides(line: str) -> None:
    load_classes()
    overrides = [text.strip('"') for text in re.findall(r'"[^"]*"|\S+', line.split(" -o ")[1])]
    check_config(Builder(load_config("picodet_s_320_coco_lcnet", overrides)))


def test_all_blocks_are_yaml() -> None:
    for block in YAML_BLOCKS:
        assert parse(block, "docs/config.md").value
    assert "config.md" in (DOCS.parent / "mkdocs.yml").read_text()
