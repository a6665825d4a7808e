from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

from ppdet.core import registry
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.core.registry import Builder, Component, Shared, register


class LCNet:
    ignored_options: ClassVar[dict[str, str]] = {"freeze_at": "train all layers"}

    def __init__(
        self, scale: float = 1.0, feature_maps: Sequence[int] = (3, 4, 5), act: Literal["relu"] | None = None
    ) -> None:
        self.scale, self.feature_maps, self.act = scale, feature_maps, act


class LCPAN:
    def __init__(self, in_channels: list[int], width: int = 96) -> None:
        self.in_channels, self.width = in_channels, width


class NMS:
    def __init__(self, top_k: int, threshold: float = 0.6) -> None:
        self.top_k, self.threshold = top_k, threshold


@dataclass
class Head:
    nms: Component[NMS]
    num_classes: Shared[int] = 80
    norm: Shared[str | None] = None
    extra: Component[Any] | None = None
    options: dict[str, float] | None = None


class PicoDet:
    def __init__(self, backbone: Component[LCNet], head: Component[Head]) -> None:
        self.backbone, self.head = backbone, head


class Flip:
    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob


class Permute:
    pass


class TrainReader:
    ignored_options: ClassVar[dict[str, str]] = {"collate_batch": ""}

    def __init__(self, sample_transforms: list[Component[Any]], batch_size: int = 1, shuffle: bool = False) -> None:
        self.sample_transforms, self.batch_size, self.shuffle = sample_transforms, batch_size, shuffle


CLASSES = {cls.__name__: cls for cls in (LCNet, LCPAN, NMS, Head, PicoDet, Flip, Permute, TrainReader)}
DETECTOR = {"architecture": "PicoDet", "epoch": 1, "PicoDet": {"backbone": "LCNet", "head": "Head"}}


def builder(**items: Any) -> Builder:
    return Builder(Config(DETECTOR | items), CLASSES)


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


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"LCNet": {"scle": 1}}, "LCNet.scle: LCNet has no option 'scle'; did you mean 'scale'?"),
        (
            {"Head": {"nms": {"name": "NMS", "topk": 1}}},
            "Head.nms.topk: NMS has no option 'topk'; did you mean 'top_k'?",
        ),
        (
            {"PicoDet": {"backbone": "LCNett"}},
            "PicoDet.backbone: no class 'LCNett' is registered; did you mean 'LCNet'?",
        ),
        (
            {"TrainReader": {"sample_transforms": [{"Permute": {}}, {"flip": {}}]}},
            "TrainReader.sample_transforms.1: no class 'flip' is registered; did you mean 'Flip'?",
        ),
        (
            {"TrainReader": {"sample_transforms": [{"Flip": {"pro": 1}}]}},
            "TrainReader.sample_transforms.0.Flip.pro: Flip has no option 'pro'; did you mean 'prob'?",
        ),
        (
            {"TrainReader": {"sample_transforms": "Flip"}},
            "TrainReader.sample_transforms: expected list, found 'Flip' (str)",
        ),
        ({"TrainDataset": {"name": "Flap"}}, "TrainDataset: no class 'Flap' is registered; did you mean 'Flip'?"),
        ({"architecture": "PikoDet"}, "architecture: no class 'PikoDet' is registered; did you mean 'PicoDet'?"),
        ({"epohc": 3}, "epohc: no such key; did you mean 'epoch'?"),
        ({"LCNets": {"scale": 3}}, "LCNets: no class 'LCNets' is registered; did you mean 'LCNet'?"),
        ({"PPYOLOE": {"neck": "x"}}, "PPYOLOE: no class 'PPYOLOE' is registered; the nearest known name is"),
        ({"LCNet": {"scale": "abc"}}, "LCNet.scale: expected float, found 'abc' (str)"),
        ({"LCNet": {"scale": "0.35"}}, "LCNet.scale: expected float, found '0.35' (str)"),
        ({"LCNet": {"scale": True}}, "LCNet.scale: expected float, found True (bool)"),
        ({"LCNet": {"scale": None}}, "LCNet.scale: expected float, found null"),
        ({"LCNet": {"feature_maps": [3, "4"]}}, "LCNet.feature_maps: expected list[int], found [3, '4'] (list)"),
        ({"LCNet": {"feature_maps": 3}}, "LCNet.feature_maps: expected list[int], found 3 (int)"),
        ({"LCNet": {"act": "gelu"}}, "LCNet.act: expected 'relu' or null, found 'gelu' (str)"),
        ({"LCNet": [1]}, "LCNet: expected dict, found [1] (list)"),
        ({"LCPAN": {"width": 1.5}}, "LCPAN.width: expected int, found 1.5 (float)"),
        ({"TrainReader": {"shuffle": 1}}, "TrainReader.shuffle: expected bool, found 1 (int)"),
        ({"Head": {"options": {"a": "b"}}}, "Head.options: expected dict[str, float] or null, found {'a': 'b'} (dict)"),
        ({"num_classes": "80"}, "num_classes: expected int, found '80' (str)"),
        ({"norm": 3}, "norm: expected str or null, found 3 (int)"),
        ({"PicoDet": {"head": "LCNet"}}, "PicoDet.head: expected a Head, found the class 'LCNet'"),
        ({"PicoDet": {"backbone": None}}, "PicoDet.backbone: expected a class"),
        ({"use_xpus": False}, "use_xpus: no such key; did you mean 'use_xpu'?"),
    ],
)
def test_check_errors(items: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        builder(**items).check()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_check_returns_what_is_ignored() -> None:
    items = {
        "find_unused_parameters": True,
        "eval_size": [320, 320],
        "use_xpu": False,
        "use_gpu": False,
        "LCNet": {"freeze_at": 3, "scale": 2},
        "TrainReader": {"sample_transforms": [], "collate_batch": False},
        "TrainDataset": {"name": "LCNet", "freeze_at": 1},
    }
    build = builder(**items)
    ignored = build.check()
    assert list(ignored) == [
        "find_unused_parameters",
        "eval_size",
        "use_xpu",
        "LCNet.freeze_at",
        "TrainReader.collate_batch",
        "TrainDataset.freeze_at",
    ]
    assert (ignored["LCNet.freeze_at"], ignored["TrainReader.collate_batch"]) == ("train all layers", "")
    assert build.build("LCNet").scale == 2


def test_a_switch_that_is_on_is_not_ignored() -> None:
    assert builder(use_xpu=True).check() == {}
    assert builder(use_gcu=False).check() == {"use_gcu": ""}
    with pytest.raises(UserError, match="use_gcu: no such key; did you mean 'use_gpu'?"):
        builder(use_gcu=True).check()


def test_empty_section_and_required_options_pass_the_check() -> None:
    assert builder(LCNet=None, LCPAN={"width": 3}).check() == {}


class TestRegister:
    @pytest.fixture(autouse=True)
    def _own_table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "_classes", {})

    def test_register_returns_the_class(self) -> None:
        assert register(LCNet) is LCNet
        assert registry._classes == {"LCNet": LCNet}
        assert isinstance(Builder(Config({})).build("LCNet"), LCNet)

    def test_two_classes_of_one_name(self) -> None:
        register(LCNet)
        with pytest.raises(TypeError, match="two classes named LCNet"):
            register(type("LCNet", (), {"__module__": "elsewhere"}))

    def test_a_constructor_that_swallows_anything(self) -> None:
        class Greedy:
            def __init__(self, **kwargs: int) -> None: ...

        with pytest.raises(TypeError, match="names its parameters"):
            register(Greedy)
