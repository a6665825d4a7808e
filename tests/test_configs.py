"""The shipped configs hold the published values, and nothing in them is unknown."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from ppdet.core.config import load_config
from ppdet.core.registry import Builder
from ppdet.core.settings import Settings

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
PUBLISHED = sorted(
    path.relative_to(CONFIGS / "picodet").as_posix()
    for pattern in ("picodet_*_lcnet.yml", "legacy_model/picodet_*_coco.yml")
    for path in (CONFIGS / "picodet").glob(pattern)
)
# Keys of ours in the published configs, which PaddleDetection's do not have.
OURS = {"LearningRate": ("auto_scale", "reference_lr", "reference_batch_size")}
# Run keys and options of PaddleDetection 2.4 to 2.7 that PicoDet users have in their files and that mean nothing here.
OF_OTHER_RELEASES = (
    "use_npu=false", "use_gcu=false", "print_flops=true", "print_params=true", "print_mem_info=true", "slim=QAT",
    "export_post_process=false", "fleet=false", "use_fused_allreduce_gradients=false", "amp_level=O1",
    "master_grad=false", "init_loss_scaling=512", "custom_white_list=[]", "custom_black_list=[]", "use_vdl=false",
    "vdl_log_dir=vdl", "use_wandb=false", "wandb={project: mine}", "profiler_options=", "save_prediction_only=false",
    "PicoDet.nms_cpu=true", "PicoHeadV2.nms_pre=1000", "PicoHeadV2.nms.return_index=true",
    "LearningRate.schedulers.0.use_warmup=true", "TrainReader.use_process=true", "TestReader.fuse_normalize=true",
    "TrainReader.mosaic_epoch=3", "EvalReader.mixup_epoch=3", "TestReader.collate_batch=false",
    "TrainReader.sample_transforms.1.RandomCrop.is_mask_crop=false", "TrainDataset.use_default_label=true",
)  # fmt: skip
OLDER_STYLE = """
_BASE_: [{base}]
use_gpu: false
cycle_epoch: 40
num_classes: 5
TrainDataset:
  !VOCDataSet
    dataset_dir: dataset/mine
    anno_path: train.txt
    label_list: label_list.txt
    data_fields: ['image', 'gt_bbox', 'gt_class', 'difficult']
TestDataset:
  !ImageFolder
    anno_path: dataset/mine/label_list.txt
LearningRate:
  base_lr: 4e-2
  schedulers:
  - !CosineDecay
    max_epochs: 100
  - !LinearWarmup
    start_factor: 0.1
    steps: 300
TrainReader:
  batch_transforms:
  - BatchRandomResize: {{target_size: [[768, 576], [800, 608]], random_size: True, random_interp: True}}
  - NormalizeImage: {{is_scale: true, mean: [0.485,0.456,0.406], std: [0.229, 0.224,0.225]}}
  - Permute: {{}}
  - PadGT: {{}}
"""


def test_all_published_configs_are_shipped(shared: Path) -> None:
    assert sorted(json.loads((shared / "spec" / "CONFIGS.json").read_text())) == PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_resolved_values_are_the_published_ones(name: str, shared: Path) -> None:
    published = json.loads((shared / "spec" / "CONFIGS.json").read_text())
    resolved = load_config(CONFIGS / "picodet" / name).to_dict()
    for section, keys in OURS.items():
        for key in keys:
            del resolved[section][key]
    assert resolved == published[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_learning_rates_belong_to_four_cards(name: str) -> None:
    cfg = load_config(CONFIGS / "picodet" / name)
    rate = cfg["LearningRate"]
    assert rate["auto_scale"]
    assert rate["reference_lr"] == rate["base_lr"]
    assert rate["reference_batch_size"] == 4 * cfg["TrainReader"]["batch_size"]


@pytest.mark.parametrize("name", ["picodet_xs_demo.yml", "picodet_xs_320_bccd.yml"])
def test_our_own_learning_rates_belong_to_one_process(name: str) -> None:
    cfg = load_config(CONFIGS / "picodet" / name)
    rate = cfg["LearningRate"]
    assert rate["auto_scale"]
    assert rate["reference_lr"] == rate["base_lr"]
    assert rate["reference_batch_size"] == cfg["TrainReader"]["batch_size"]


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


@pytest.mark.usefixtures("_classes")
@pytest.mark.parametrize("override", OF_OTHER_RELEASES)
def test_what_means_nothing_here_is_a_notice(override: str) -> None:
    path = CONFIGS / "picodet" / "picodet_s_320_coco_lcnet.yml"
    key = override.split("=")[0]
    assert key in Builder(load_config(path, [override])).check()


@pytest.mark.usefixtures("_classes")
def test_a_config_in_the_older_style(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(OLDER_STYLE.format(base=CONFIGS / "picodet" / "picodet_s_320_coco_lcnet.yml"))
    cfg = load_config(tmp_path / "mine.yml", ["TrainReader.batch_size=8", "LearningRate.base_lr=0.01", "use_ema=False"])
    builder = Builder(cfg)
    builder.check()
    assert Settings.from_config(cfg).num_classes == 5
    assert builder.build(cfg["TrainDataset"]).image_dir == ""  # the base's train2017 went with its tag
    assert builder.build("TrainReader").batch_size == 8
    assert builder.build("LearningRate").at(0, steps_per_epoch=10) == pytest.approx(0.001)
