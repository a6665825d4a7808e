"""The XS model's config made small: images of 64 x 64, three classes, a second or two of training."""

from __future__ import annotations

from pathlib import Path

from tests.support.datasets import CLASSES

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "picodet"
_TEMPLATE = """\
_BASE_: [{base}]
num_classes: {num_classes}
pretrain_weights: null
weights: null
save_dir: {save_dir}
worker_num: 0
seed: 7
epoch: {epochs}
snapshot_epoch: {snapshot_epoch}
log_iter: 1
eval_height: &eval_height 64
eval_width: &eval_width 64
eval_size: &eval_size [*eval_height, *eval_width]
LearningRate:
  base_lr: {base_lr}
  auto_scale: false
  schedulers: [!CosineDecay {{max_epochs: {epochs}}}, !LinearWarmup {{start_factor: 0.1, steps: 2}}]
TrainReader:
  batch_size: 2
  batch_transforms:
    - BatchRandomResize: {{target_size: {sizes}, random_size: true, random_interp: {random_interp}, keep_ratio: false}}
    - NormalizeImage: &normalize {{is_scale: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
    - Permute: {{}}
    - PadGT: {{}}
EvalReader:
  batch_size: 2
  sample_transforms: &eval_transforms
    - Decode: {{}}
    - Resize: {{interp: 2, target_size: *eval_size, keep_ratio: false}}
    - NormalizeImage: *normalize
    - Permute: {{}}
TestReader:
  inputs_def: {{image_shape: [1, 3, *eval_height, *eval_width]}}
  sample_transforms: *eval_transforms
"""


def write_small_config(
    path: Path,
    rest: str,
    *,
    base: str = "picodet_xs_320_coco_lcnet.yml",
    save_dir: Path,
    epochs: int,
    snapshot_epoch: int,
    base_lr: float,
    sizes: str,
    random_interp: bool,
) -> Path:
    """Writes `base` made small to `path`, with `rest` below it: the datasets and what else the tests need."""
    text = _TEMPLATE.format(
        base=CONFIGS / base,
        num_classes=len(CLASSES),
        save_dir=save_dir,
        epochs=epochs,
        snapshot_epoch=snapshot_epoch,
        base_lr=base_lr,
        sizes=sizes,
        random_interp=str(random_interp).lower(),
    )
    path.write_text(text + rest)
    return path
