"""The variants of the heads that no published model has: a regression tower of its own, no alignment branch."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.core.builder import Builder
from ppdet.core.config import load_config
from ppdet.modeling import build_model
from ppdet.modeling.heads import PicoFeat
from tests.golden import CONFIGS


@pytest.mark.parametrize("num_convs", [1, 3])
def test_parity_the_regression_tower_reads_the_classification_feature(num_convs):
    """Of its last step only the pointwise convolution reaches the output."""
    feat = PicoFeat(feat_in=8, feat_out=8, num_fpn_stride=2, num_convs=num_convs)
    feat.eval()
    x = paddle.randn([2, 8, 6, 5])
    cls, reg = feat(x, 1)
    expected = x
    for block in feat.cls_convs[1]:
        expected = block.pw_conv(block.dw_conv(expected))
    np.testing.assert_array_equal(cls.numpy(), expected.numpy())
    np.testing.assert_array_equal(reg.numpy(), feat.reg_convs[1][-1].pw_conv(expected).numpy())


def test_scores_without_the_alignment_branch():
    overrides = ["num_classes=3", "PicoHeadV2.use_align_head=false"]
    model = build_model(Builder(load_config(CONFIGS / "picodet_xs_320_coco_lcnet.yml", overrides)))
    model.eval()
    features = model.neck(model.backbone(paddle.randn([1, 3, 64, 64])))
    head = model.head
    assert head.cls_align is None
    for i, cls in enumerate(head.levels(features).cls):
        logits = head.head_cls[i](head.conv_feat(features[i], i)[1]).numpy()
        np.testing.assert_allclose(cls.numpy(), 1 / (1 + np.exp(-logits)), rtol=1e-5)
