"""Defaults of the options that give a model its numbers. Published configs leave many of them out, so that changing one
changes what existing configs mean."""

from __future__ import annotations

import inspect

import pytest

from ppdet.data.transforms.batch_transforms import BatchRandomResize, PadBatch
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.sample_transforms import (
    NormalizeImage,
    RandomDistort,
    RandomFlip,
    Resize,
)
from ppdet.modeling.assigners import ATSSAssigner, SimOTAAssigner, TaskAlignedAssigner
from ppdet.modeling.backbones import ESNet, LCNet
from ppdet.modeling.heads import PicoFeat, PicoHead, PicoHeadV2
from ppdet.modeling.losses import DistributionFocalLoss, GIoULoss, VarifocalLoss
from ppdet.modeling.necks import CSPPAN, LCPAN
from ppdet.modeling.nms import MultiClassNMS
from ppdet.optim.ema import ModelEMA
from ppdet.optim.schedule import CosineDecay, LinearWarmup, PiecewiseDecay

_HALF_TO_ONE_AND_A_HALF = (0.5, 1.5, 0.5)
_HEAD = {
    "num_classes": 80,
    "fpn_stride": (8, 16, 32),
    "prior_prob": 0.01,
    "reg_max": 16,
    "feat_in_chan": 96,
    "cell_offset": 0.0,
}
_NECK = {"kernel_size": 5, "num_features": 3, "use_depthwise": True, "act": "hard_swish"}
DEFAULTS = {
    ATSSAssigner: {"topk": 9, "num_classes": 80, "force_gt_matching": False},
    TaskAlignedAssigner: {"topk": 13, "alpha": 1.0, "beta": 6.0, "eps": 1e-9},
    SimOTAAssigner: {"center_radius": 2.5, "candidate_topk": 10, "iou_weight": 3.0, "cls_weight": 1.0},
    VarifocalLoss: {"use_sigmoid": True, "alpha": 0.75, "gamma": 2.0, "iou_weighted": True, "loss_weight": 1.0},
    GIoULoss: {"loss_weight": 1.0, "eps": 1e-10},
    DistributionFocalLoss: {"loss_weight": 1.0},
    MultiClassNMS: {"score_threshold": 0.05, "nms_top_k": -1, "keep_top_k": 100, "nms_threshold": 0.5},
    LCNet: {"scale": 1.0, "feature_maps": (3, 4, 5), "act": "hard_swish"},
    ESNet: {"scale": 1.0, "feature_maps": (4, 11, 14), "act": "hard_swish"},
    LCPAN: _NECK,
    CSPPAN: _NECK | {"num_csp_blocks": 1},
    PicoFeat: {
        "feat_in": 256,
        "feat_out": 96,
        "num_fpn_stride": 3,
        "num_convs": 2,
        "share_cls_reg": False,
        "act": "hard_swish",
        "use_se": False,
    },
    PicoHead: _HEAD,
    PicoHeadV2: _HEAD
    | {"use_align_head": True, "static_assigner_epoch": 60, "act": "hard_swish", "grid_cell_scale": 5.0},
    CosineDecay: {"max_epochs": 1000, "min_lr_ratio": 0.0},
    PiecewiseDecay: {"milestones": (8, 11), "gamma": 0.1},
    LinearWarmup: {"steps": 500, "start_factor": 1 / 3},
    ModelEMA: {"decay": 0.9998, "decay_type": "threshold", "cycle_epoch": -1},
    Resize: {"keep_ratio": False, "interp": 1},
    RandomCrop: {
        "aspect_ratio": (0.5, 2.0),
        "thresholds": (0.0, 0.1, 0.3, 0.5, 0.7, 0.9),
        "scaling": (0.3, 1.0),
        "num_attempts": 50,
        "allow_no_crop": True,
        "cover_all_box": False,
    },
    RandomFlip: {"prob": 0.5},
    RandomDistort: {
        "hue": (-18, 18, 0.5),
        "saturation": _HALF_TO_ONE_AND_A_HALF,
        "contrast": _HALF_TO_ONE_AND_A_HALF,
        "brightness": _HALF_TO_ONE_AND_A_HALF,
    },
    NormalizeImage: {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "is_scale": True},
    BatchRandomResize: {"keep_ratio": False, "interp": 0, "random_size": True, "random_interp": False},
    PadBatch: {"pad_to_stride": 0},
}


@pytest.mark.parametrize("cls", DEFAULTS, ids=lambda cls: cls.__name__)
def test_defaults(cls: type) -> None:
    parameters = inspect.signature(cls).parameters
    assert {name: parameters[name].default for name in DEFAULTS[cls]} == DEFAULTS[cls]
