"""Options that do not fit together are refused before training."""

from __future__ import annotations

import paddle
import pytest

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.modeling import build_model
from tests.support.models import CONFIG_OF_HEAD

load_classes()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("PicoHeadV2.fpn_stride=[4, 8, 16, 32]", r"PicoHeadV2\.fpn_stride: found \[4, 8, 16, 32\]"),
        ("LCPAN.num_features=3", r"PicoHeadV2\.fpn_stride"),
        ("LCPAN.out_channels=64", r"PicoHeadV2\.conv_feat\.feat_in: found 96"),
        ("PicoHeadV2.feat_in_chan=64", r"PicoHeadV2\.feat_in_chan: found 64"),
        ("PicoHeadV2.conv_feat.num_fpn_stride=3", r"conv_feat\.num_fpn_stride: found 3"),
        ("PicoHeadV2.prior_prob=0", r"prior_prob: expected above 0, found 0"),
        ("PicoHeadV2.loss_class.use_sigmoid=true", r"use_sigmoid: expected false"),
        ("LCNet.feature_maps=[4, 5, 6]", r"LCNet\.feature_maps"),
        ("LCPAN.in_channels=[1, 2, 3]", r"LCPAN\.in_channels: found \[1, 2, 3\], but what it is given has .*; leave"),
        ("LCPAN.in_strides=[8, 16, 64]", r"LCPAN\.in_strides: found \[8, 16, 64\], but .* has \[8, 16, 32\]; leave"),
    ],
)
def test_parts_that_do_not_fit(option, message):
    with pytest.raises(UserError, match=message):
        build_model(Builder(load_config(CONFIG_OF_HEAD["PicoHeadV2"], [option])))


def test_three_levels_fit():
    options = ["LCPAN.num_features=3", "PicoHeadV2.fpn_stride=[8, 16, 32]", "PicoHeadV2.conv_feat.num_fpn_stride=3"]
    model = build_model(Builder(load_config(CONFIG_OF_HEAD["PicoHeadV2"], options)))
    assert model(paddle.randn([1, 3, 64, 64])).cls.shape[1] == 64 + 16 + 4
