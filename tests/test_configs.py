"""The shipped configs hold the published values, and nothing in them is unknown."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from ppdet.core.config import load_config
from ppdet.core.registry import Builder

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
PUBLISHED = sorted(
    path.relative_to(CONFIGS / "picodet").as_posix()
    for pattern in ("picodet_*_lcnet.yml", "legacy_model/picodet_*_coco.yml")
    for path in (CONFIGS / "picodet").glob(pattern)
)


def test_all_published_configs_are_shipped(shared: Path) -> None:
    assert sorted(json.loads((shared / "spec" / "CONFIGS.json").read_text())) == PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_resolved_values_are_the_published_ones(name: str, shared: Path) -> None:
    published = json.loads((shared / "spec" / "CONFIGS.json").read_text())
    assert load_config(CONFIGS / "picodet" / name).to_dict() == published[name]


@pytest.fixture(scope="module")
def _classes() -> None:
    """Fill the class table."""
    for module in ("ppdet.modeling", "ppdet.data", "ppdet.engine.optim"):
        importlib.import_module(module)


@pytest.mark.usefixtures("_classes")
@pytest.mark.parametrize("dataset", ["bccd", "voc", "coco_detection"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_key_is_known_with_any_dataset(name: str, dataset: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(f"_BASE_: [{CONFIGS / 'picodet' / name}, {CONFIGS / 'datasets' / dataset}.yml]\n")
    cfg = load_config(path)
    assert "find_unused_parameters" in Builder(cfg).check()
    folder = f"dataset/{dataset.removesuffix('_detection')}"
    assert [cfg[f"{slot}Dataset"]["dataset_dir"] for slot in ("Train", "Eval", "Test")] == [folder] * 3
    assert ("image_dir" in cfg["TrainDataset"]) == (dataset == "coco_detection")
