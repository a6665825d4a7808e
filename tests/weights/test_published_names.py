"""Names in PaddleDetection's weight files, both ways."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.modeling import PicoDet
from ppdet.weights.published_names import alias, from_published, published_name, to_published, without_effect
from tests.golden import CONFIGS
from tests.support.tiny import make_run

XS, ESNET = "picodet_xs_320_coco_lcnet.yml", "legacy_model/picodet_s_320_coco.yml"


@pytest.fixture(scope="module", params=[XS, ESNET], ids=["lcnet", "esnet"])
def model(request) -> PicoDet:
    return make_run(CONFIGS / request.param, "device=cpu").build_model()


@pytest.mark.parametrize(
    ("ours", "published"),
    [
        ("backbone.stem.conv.weight", "backbone._conv1._conv.weight"),
        ("backbone.stem.norm._mean", "backbone._conv1._batch_norm._mean"),
        ("backbone.stage2.0.conv_pw_1.norm.bias", "backbone.2_1._conv_pw_1._batch_norm.bias"),
        ("backbone.conv1.norm.weight", "backbone.conv1.bn.weight"),
        ("neck.lateral_convs.1.conv.weight", "neck.conv_t.convs.1.conv.weight"),
        ("neck.downsamples.0.dw_conv.conv.weight", "neck.downsamples.0.dwconv.weight"),
        ("neck.first_top_conv.dw_conv.norm.weight", "neck.first_top_conv.bn1.weight"),
        ("neck.top_down_blocks.0.blocks.0.conv2.pw_conv.norm.bias", "neck.top_down_blocks.0.blocks.0.conv2.bn2.bias"),
        ("head.cls_align.2.pw_conv.conv.weight", "head.cls_align.2.pwconv.weight"),
        ("head.conv_feat.cls_convs.1.0.dw_conv.norm.bias", "head.conv_feat.cls_conv_dw1.0.norm.bias"),
        ("head.head_cls.3.bias", "head.head_cls3.bias"),
    ],
)
def test_names(ours, published) -> None:
    assert published_name(ours) == published


def test_no_two_tensors_share_a_name(model) -> None:
    names = [published_name(name) for name in model.state_dict()]
    assert len(set(names)) == len(names)


def test_second_names_of_prediction_layers() -> None:
    assert alias("head.head_cls2.weight") == "head.head_cls_list.2.weight"
    assert alias("head.head_reg0.bias") == "head.head_reg_list.0.bias"
    assert alias("head.conv_feat.cls_conv_dw1.0.bn.bias") is None


def test_there_and_back(model) -> None:
    state = {name: np.full(value.shape, i, "float32") for i, (name, value) in enumerate(model.state_dict().items())}
    published = to_published(model, state)
    assert published.keys() >= without_effect(model).keys()
    np.testing.assert_equal(from_published(model, published), state)


def test_main_names_win_over_second_ones_in_any_order() -> None:
    model = make_run(CONFIGS / XS, "device=cpu").build_model()
    entries = {"head.head_cls_list.0.bias": np.zeros(80), "head.head_cls0.bias": np.ones(80)}
    for names in (list(entries), list(entries)[::-1]):
        found = from_published(model, {name: entries[name] for name in names})
        assert found["head.head_cls.0.bias"][0] == 1


def test_other_names_are_kept() -> None:
    model = make_run(CONFIGS / XS, "device=cpu").build_model()
    assert from_published(model, {"fc.weight": np.ones(2)}).keys() == {"fc.weight"}


def test_bins_and_scales(model) -> None:
    entries = without_effect(model)
    assert entries["head.distribution_project.project"].tolist() == list(range(8))
    assert [name for name in entries if "scale_reg" in name] == [f"head.p{i}_feat.scale_reg" for i in (3, 4, 5, 6)]
