"""The shipped configs hold the published values, and nothing in them is unknown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.check import check_config
from ppdet.core.compat import SWITCHES, refuse_overrides
from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.core.settings import Settings

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
S_320 = CONFIGS / "picodet" / "picodet_s_320_coco_lcnet.yml"
PUBLISHED = sorted(
    path.relative_to(CONFIGS / "picodet").as_posix()
    for pattern in ("picodet_*_lcnet.yml", "legacy_model/picodet_*_coco.yml")
    for path in (CONFIGS / "picodet").glob(pattern)
)
# Keys of ours in the published configs, which PaddleDetection's do not have.
OURS = {"LearningRate": ("auto_scale", "reference_batch_size")}
# Run keys and options of PaddleDetection 2.4 to 2.7 that PicoDet users have in their files and that mean nothing here.
OF_OTHER_RELEASES = (
    "use_npu=false",
    "use_gcu=false",
    "print_flops=true",
    "print_params=true",
    "print_mem_info=true",
    "slim=QAT",
    "export_post_process=false",
    "fleet=false",
    "use_fused_allreduce_gradients=false",
    "amp_level=O1",
    "master_grad=false",
    "init_loss_scaling=512",
    "custom_white_list=[]",
    "custom_black_list=[]",
    "use_vdl=false",
    "vdl_log_dir=vdl",
    "use_wandb=false",
    "wandb={project: mine}",
    "profiler_options=",
    "save_prediction_only=false",
    "PicoDet.nms_cpu=true",
    "PicoHeadV2.nms_pre=1000",
    "PicoHeadV2.nms.return_index=true",
    "TrainReader.use_process=true",
    "TestReader.fuse_normalize=true",
    "TestReader.collate_batch=false",
    "TrainDataset.use_default_label=true",
)
# Options of theirs that have one value here, or a meaning.
WITH_A_MEANING = (
    "LearningRate.schedulers.0.use_warmup=true",
    "TrainReader.mosaic_epoch=-1",
    "EvalReader.mixup_epoch=-1",
    "TrainReader.sample_transforms.1.RandomCrop.is_mask_crop=false",
    "PicoHeadV2.conv_feat.norm_type=bn",
    "PicoHeadV2.nms.nms_eta=1",
    "PicoHeadV2.nms.background_label=-1",
    "TrainReader.sample_transforms.3.RandomDistort={random_apply: true, count: 4, random_channel: false}",
    "TrainReader.batch_transforms.1.NormalizeImage.norm_type=mean_std",
    "TrainReader.batch_transforms.3.PadGT={return_gt_mask: true, pad_img: false, minimum_gtnum: 0}",
    "LCNet.lr_mult_list=[1.0, 1.0, 1.0, 1.0, 1.0]",
    "OptimizerBuilder.regularizer=false",
)
# What would change a run there, and cannot here.
NOT_HERE = (
    (
        "PicoHeadV2.conv_feat.norm_type=gn",
        "PicoHeadV2.conv_feat.norm_type: expected 'bn' or 'sync_bn', found 'gn' (str)",
    ),
    ("PicoHeadV2.nms.nms_eta=0.9", "PicoHeadV2.nms.nms_eta: expected at least 1, found 0.9"),
    ("PicoHeadV2.nms.normalized=false", "PicoHeadV2.nms.normalized: expected True, found False (bool)"),
    ("LCNet.freeze_at=5", "LCNet.freeze_at: expected at most 4, found 5"),
    ("LCNet.lr_mult_list=[-1, 1]", "LCNet.lr_mult_list.0: expected at least 0, found -1"),
    (
        "TrainReader.sample_transforms.3.RandomDistort.count=2",
        "TrainReader.sample_transforms.3.RandomDistort.count: expected 4, found 2 (int)",
    ),
    (
        "TrainReader.sample_transforms.1.RandomCrop.is_mask_crop=true",
        "TrainReader.sample_transforms.1.RandomCrop.is_mask_crop: expected False, found True (bool)",
    ),
    (
        "TrainReader.batch_transforms.1.NormalizeImage.norm_type=none",
        "TrainReader.batch_transforms.1.NormalizeImage.norm_type: expected 'mean_std', found 'none' (str)",
    ),
    (
        "TrainReader.batch_transforms.3.PadGT={return_gt_mask: false}",
        "TrainReader.batch_transforms.3.PadGT.return_gt_mask: expected True, found False (bool)",
    ),
)
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
    assert rate["reference_batch_size"] == 4 * cfg["TrainReader"]["batch_size"]


def test_the_learning_rate_of_the_demo_belongs_to_one_process() -> None:
    cfg = load_config(CONFIGS / "picodet" / "picodet_xs_demo.yml")
    rate = cfg["LearningRate"]
    assert rate["auto_scale"]
    assert rate["reference_batch_size"] == cfg["TrainReader"]["batch_size"]


@pytest.mark.usefixtures("_classes")
def test_the_learning_rate_of_fine_tuning_on_one_process() -> None:
    cfg = load_config(CONFIGS / "picodet" / "picodet_xs_320_bccd.yml")
    rate = Builder(cfg).build("LearningRate").for_run(cfg["TrainReader"]["batch_size"], cards=1)
    assert rate.base_lr == 0.02


@pytest.fixture(scope="module")
def _classes() -> None:
    """Fill the class table."""
    load_classes()


@pytest.mark.usefixtures("_classes")
@pytest.mark.parametrize("dataset", ["bccd", "voc", "coco_detection"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_key_is_known_with_any_dataset(name: str, dataset: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(f"_BASE_: [{CONFIGS / 'picodet' / name}, {CONFIGS / 'datasets' / dataset}.yml]\n")
    cfg = load_config(path)
    assert "find_unused_parameters" in check_config(Builder(cfg))
    folder = f"dataset/{dataset.removesuffix('_detection')}"
    assert [cfg[f"{slot}Dataset"]["dataset_dir"] for slot in ("Train", "Eval", "Test")] == [folder] * 3
    assert ("image_dir" in cfg["TrainDataset"]) == (dataset == "coco_detection")


@pytest.mark.usefixtures("_classes")
@pytest.mark.parametrize("override", OF_OTHER_RELEASES)
def test_what_means_nothing_here_is_accepted_in_a_file_only(override: str) -> None:
    key = override.split("=")[0]
    ignored = check_config(Builder(load_config(S_320, [override])))
    assert key in ignored
    refuse_overrides(ignored, ["epoch=3"])
    if key in SWITCHES:  # turned off, which it is
        refuse_overrides(ignored, [override])
    else:
        with pytest.raises(UserError, match=f"^{key}: has no effect here; "):
            refuse_overrides(ignored, [override])


@pytest.mark.usefixtures("_classes")
@pytest.mark.parametrize("override", WITH_A_MEANING)
def test_what_says_how_it_is_here_is_accepted(override: str) -> None:
    builder = Builder(load_config(S_320, [override]))
    refuse_overrides(check_config(builder), [override])
    for part in ("LCNet", "TrainReader", "LearningRate", "OptimizerBuilder"):
        builder.build(part)
    builder.build(builder.cfg["PicoHeadV2"]["nms"])


@pytest.mark.usefixtures("_classes")
@pytest.mark.parametrize(("override", "message"), NOT_HERE)
def test_what_would_change_a_run_there_is_refused(override: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        check_config(Builder(load_config(S_320, [override])))
    assert str(error.value) == message


@pytest.mark.usefixtures("_classes")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "eval_size=[64, 64]",
            "eval_size: has no effect here; set EvalReader.sample_transforms.1.Resize.target_size, "
            "TestReader.sample_transforms.1.Resize.target_size and TestReader.inputs_def.image_shape",
        ),
        ("ESNet.scale=1.0", "ESNet.scale: has no effect here; this config names no ESNet"),
        ("PicoHead={reg_max: 7}", "PicoHead.reg_max: has no effect here; this config names no PicoHead"),
        (
            "MultiClassNMS.keep_top_k=9",
            "MultiClassNMS.keep_top_k: has no effect here; PicoHeadV2.nms.keep_top_k wins; set that",
        ),
        ("TestReader.fuse_normalize=true", "TestReader.fuse_normalize: has no effect here; set export.fuse_normalize"),
        ("TestReader={fuse_normalize: true}", "TestReader.fuse_normalize: has no effect here; set"),
        ("wandb.project=mine", "wandb: has no effect here; set log: [wandb]"),
        ("fleet=true", "fleet: has no effect here; leave it out"),
    ],
)
def test_the_command_line_says_what_to_set_instead(override: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        refuse_overrides(check_config(Builder(load_config(S_320, [override]))), ["epoch=2", override])
    assert str(error.value).startswith(message)


@pytest.mark.usefixtures("_classes")
def test_a_config_in_the_older_style(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(OLDER_STYLE.format(base=CONFIGS / "picodet" / "picodet_s_320_coco_lcnet.yml"))
    cfg = load_config(tmp_path / "mine.yml", ["TrainReader.batch_size=8", "LearningRate.base_lr=0.01", "use_ema=False"])
    builder = Builder(cfg)
    check_config(builder)
    assert Settings.from_config(cfg).num_classes == 5
    assert builder.build(cfg["TrainDataset"]).image_dir == ""  # the base's train2017 went with its tag
    assert builder.build("TrainReader").batch_size == 8
    assert builder.build("LearningRate").at(0, steps_per_epoch=10) == pytest.approx(0.001)
