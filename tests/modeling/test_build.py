"""Options that do not fit together are refused before training; values that no network has, too."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.modeling import Targets, VarifocalLoss, build_model
from ppdet.modeling.assigners import ATSSAssigner
from ppdet.modeling.boxes import make_grid
from tests.modeling.test_training_edge_cases import CONFIG

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
        build_model(Builder(load_config(CONFIG["PicoHeadV2"], [option])))


def test_three_levels_fit():
    options = ["LCPAN.num_features=3", "PicoHeadV2.fpn_stride=[8, 16, 32]", "PicoHeadV2.conv_feat.num_fpn_stride=3"]
    model = build_model(Builder(load_config(CONFIG["PicoHeadV2"], options)))
    assert model(paddle.randn([1, 3, 64, 64])).cls.shape[1] == 64 + 16 + 4


def test_a_confident_mistake_keeps_its_gradient():
    logits = paddle.to_tensor([[20.0, -105.0]], stop_gradient=False)
    loss = VarifocalLoss(use_sigmoid=True)(logits, paddle.to_tensor([[0.0, 0.8]]))
    loss.sum().backward()
    np.testing.assert_allclose(loss.numpy(), [[15.0, 67.2]], rtol=1e-4)  # by hand: 0.75 * 20 and 0.8 * 0.8 * 105
    np.testing.assert_allclose(logits.grad.numpy(), [[0.75, -0.64]], rtol=1e-4)


def test_forced_matches_never_share_a_point():
    grid = make_grid([(4, 4)], [8], 0.5)
    half = grid.strides * 2.5
    anchors = paddle.concat([grid.points - half, grid.points + half], axis=-1)
    boxes = paddle.to_tensor([[[4.0, 4.0, 20.0, 20.0], [4.0, 4.0, 20.0, 20.5]]])
    targets = Targets(paddle.to_tensor([[[0], [1]]], dtype="int32"), boxes, paddle.ones([1, 2, 1]))
    assigned = ATSSAssigner(num_classes=2, force_gt_matching=True)(anchors, grid, anchors.unsqueeze(0), targets)
    assert ((assigned.scores > 0).sum(axis=-1) <= 1).all()
