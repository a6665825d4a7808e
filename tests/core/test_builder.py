from __future__ import annotations

from typing import Any

import pytest

from ppdet.core.check import check_config
from ppdet.core.errors import UserError
from tests.support.small_classes import Flip, LCNet, Permute, WideHead, builder


def test_the_three_ways_to_name_a_class() -> None:
    for spec in ("LCNet", {"name": "LCNet"}, {"LCNet": {}}, {"LCNet": None}):
        assert isinstance(builder().build(spec), LCNet)


def test_order_of_sources() -> None:
    cfg = {"LCNet": {"scale": 2.0, "act": "relu"}}
    net = builder(**cfg).build({"name": "LCNet", "scale": 3.0})
    assert (net.scale, net.act, net.feature_maps) == (3.0, "relu", (3, 4, 5))
    assert builder(**cfg).build({"name": "LCNet", "scale": 3.0}, scale=4.0).scale == 4.0


def test_shared_comes_after_the_section_and_before_the_default() -> None:
    nms = {"NMS": {"top_k": 5}}
    assert builder(Head={"nms": nms}).build("Head").num_classes == 80
    assert builder(Head={"nms": nms}, num_classes=3).build("Head").num_classes == 3
    assert builder(Head={"nms": nms}, norm="sync_bn").build("Head").norm == "sync_bn"
    assert builder(Head={"nms": nms, "num_classes": 7}, num_classes=3).build("Head").num_classes == 7


def test_the_section_of_a_base_comes_before_the_own() -> None:
    """And its keys count as read: they are the options of both classes."""
    build = builder(
        PicoDet={"backbone": "LCNet", "head": "WideHead"}, Head={"nms": "NMS", "num_classes": 7}, NMS={"top_k": 1}
    )
    head = build.build("PicoDet").head
    assert (type(head), head.num_classes, head.width) == (WideHead, 7, 2)
    assert check_config(build) == {}
    both = builder(
        PicoDet={"backbone": "LCNet", "head": "WideHead"},
        Head={"nms": {"NMS": {"top_k": 1}}, "norm": "bn"},
        WideHead={"norm": "sync_bn", "width": 3},
    )
    head = both.build("PicoDet").head
    assert (head.nms.top_k, head.norm, head.width) == (1, "sync_bn", 3)
    assert list(check_config(both)) == ["Head.norm"]
    assert builder(Head={"nms": {"NMS": {"top_k": 1}}}, WideHead={"num_classes": 9}).build("Head").num_classes == 80


def test_components_are_built_recursively_and_anew() -> None:
    build = builder(Head={"nms": {"name": "NMS", "threshold": 1}}, NMS={"top_k": 9}, LCNet={"scale": 2}).build
    first, second = build("PicoDet"), build("PicoDet")
    assert (first.head.nms.top_k, first.head.nms.threshold, first.backbone.scale) == (9, 1, 2)
    assert first.head is not second.head
    assert first.head.nms is not second.head.nms


def test_lists_of_components() -> None:
    reader = builder(TrainReader={"sample_transforms": [{"Flip": {"prob": 0.1}}, {"Permute": {}}]}).build("TrainReader")
    assert [type(op) for op in reader.sample_transforms] == [Flip, Permute]
    assert reader.sample_transforms[0].prob == 0.1


def test_values_arrive_as_plain_python() -> None:
    assert type(builder(LCNet={"feature_maps": [1, 2]}).build("LCNet").feature_maps) is list
    head = builder(Head={"nms": {"NMS": {"top_k": 1}}, "options": {"a": 1}}).build("Head")
    assert type(head.options) is dict


def test_a_given_part_wins_and_is_not_built() -> None:
    part = object()
    assert builder(Head={"nms": "NMS"}).build("Head", nms=part).nms is part


def test_null_stands_for_no_component_where_allowed() -> None:
    assert builder(Head={"nms": {"NMS": {"top_k": 1}}, "extra": None}).build("Head").extra is None


def test_the_config_is_left_alone() -> None:
    build = builder(LCNet={"feature_maps": [1, 2]})
    before = build.cfg.to_dict()
    build.build("LCNet").feature_maps.append(3)
    assert build.cfg.to_dict() == before


@pytest.mark.parametrize(
    ("spec", "items", "message"),
    [
        ("LCPAN", {}, "LCPAN.in_channels: required, not given"),
        ("PicoDet", {"Head": {"nms": {"name": "NMS"}}}, "Head.nms.top_k: required, not given"),
        ("LCNett", {}, "LCNett: no class 'LCNett' is registered; did you mean 'LCNet'?"),
        ({"a": 1, "b": 2}, {}, "build: expected a class"),
        ({"name": 3}, {}, "name: expected str, found 3 (int)"),
        ("Head", {"Head": {"nms": {"NMS": {"top_k": 1}}, "extra": "Head"}}, "Head.extra: contains itself"),
    ],
)
def test_build_errors(spec: Any, items: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        builder(**items).build(spec)
    assert str(error.value).startswith(message)
