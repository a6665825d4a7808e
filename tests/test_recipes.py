"""Every recipe: it is read and checked, trains an epoch of small images, and is exported; its cost is as computed."""

from __future__ import annotations

import re
from pathlib import Path

import paddle
import pytest

from benchmarks.gpu_hours import IMAGES, row
from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.check import check_config
from ppdet.core.config import load_config
from ppdet.core.shipped_configs import shipped_configs
from ppdet.export.export import export
from ppdet.session import open_session
from ppdet.training.checkpoint import save_weights
from ppdet.training.loop import fit
from ppdet.training.setup import build_trainer
from tests.support.datasets import CLASSES
from tests.support.tiny import make_run, write_dataset
from tests.support.trained import installed_formats

FILES = {name: path for name, path in shipped_configs().items() if path.parent.name == "recipes"}
FAST = ("xs_320_distill", "m_416_plus", "xs_320_e2e", "finetune_100")
EACH = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in FILES]
_SMALL = """\
_BASE_: [{name}]
num_classes: {classes}
device: cpu
save_dir: {folder}/output
pretrain_weights: null
epoch: 1
snapshot_epoch: 1
worker_num: 0
seed: 0
LearningRate: {{schedulers: [!CosineDecay {{max_epochs: 1}}]}}
TrainDataset: !COCODataSet {{dataset_dir: {folder}, image_dir: images, anno_path: boxes.json}}
EvalDataset: !COCODataSet {{dataset_dir: {folder}, image_dir: images, anno_path: boxes.json}}
TestDataset: !ImageFolder {{dataset_dir: {folder}, anno_path: boxes.json}}
"""
_SIZES = (
    "TrainReader.batch_size=2",
    "TrainReader.close_augmentation_epochs=0",
    "TrainReader.batch_transforms.0.BatchRandomResize.target_size=[64]",
    "TestReader.inputs_def.image_shape=[1, 3, 64, 64]",
    "TestReader.sample_transforms.1.Resize.target_size=[64, 64]",
)

load_classes()


def test_the_recipes() -> None:
    sizes = ("xs_320", "s_416", "m_416", "l_640")
    kinds = ("xs_320_distill", "s_416_distill", "m_416_plus", "l_640_plus", *(f"{size}_e2e" for size in sizes))
    assert set(FILES) == {*kinds, "finetune_100", "finetune_1000", "finetune_10000"}


@pytest.mark.parametrize("name", FILES)
def test_every_key_is_known_and_has_an_effect(name: str) -> None:
    cfg = load_config(name)
    published = Builder(load_config("picodet_s_320_coco_lcnet"))
    assert set(check_config(Builder(cfg))) <= set(check_config(published))
    assert cfg["weights"] == f"output/{name}/best_model"  # where a training with --eval puts it
    ends = [part.max_epochs for part in Builder(cfg).build("LearningRate").schedulers if hasattr(part, "max_epochs")]
    assert ends == [cfg["epoch"]]


@pytest.mark.parametrize("name", EACH)
def test_the_cost_is_what_is_computed(name: str) -> None:
    pattern = r"# Cost: (less than 0\.1|[\d.]+) card hours (?:on|for [\d,]+ images on) (4|one) card"
    [(said, cards)] = re.findall(pattern, FILES[name].read_text())
    images = int(name.removeprefix("finetune_")) if name.startswith("finetune_") else IMAGES
    hours = float(row(name, images, 4 if cards == "4" else 1).split()[-1])
    assert hours == (0.0 if said.startswith("less") else float(said))


@pytest.mark.parametrize("name", EACH)
def test_an_epoch_and_an_export(name: str, tmp_path: Path) -> None:
    write_dataset(tmp_path, 5)
    config = tmp_path / f"{name}.yml"
    config.write_text(_SMALL.format(name=FILES[name], classes=len(CLASSES), folder=tmp_path))
    overrides = [*_SIZES, *(small_teacher(name, tmp_path) if "Distillation" in load_config(name) else ())]
    trainer, progress = build_trainer(make_run(config, *overrides))
    assert fit(trainer, progress).updates == 2
    weights = trainer.output_dir / "model_final"
    form = "onnx" if "onnx" in installed_formats() else "paddle"
    exported = [f"weights={weights}", f"export.format={form}", *_SIZES]
    export(open_session(config, exported, training=False), tmp_path / "exported")
    assert (tmp_path / "exported" / name / "infer_cfg.yml").is_file()


def small_teacher(name: str, folder: Path) -> list[str]:
    """Overrides that name the recipe's teacher with random weights, and the classes of the small data set."""
    file, weights = folder / "teacher.yml", folder / "teacher"
    file.write_text(
        _SMALL.format(name=load_config(name)["Distillation"]["teacher"], classes=len(CLASSES), folder=folder)
    )
    paddle.seed(0)
    model = make_run(file).build_model()
    save_weights(weights, model, model.state_dict())
    return [f"Distillation.teacher={file}", f"Distillation.teacher_weights={weights}.pdparams"]
