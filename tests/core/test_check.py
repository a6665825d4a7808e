from __future__ import annotations

from typing import Any

import pytest

from ppdet.core.check import check_config, without_training
from ppdet.core.errors import UserError
from tests.support.small_classes import builder


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
        check_config(builder(**items))
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
    ignored = check_config(build)
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
    assert check_config(builder(use_xpu=True)) == {}
    assert check_config(builder(use_gcu=False)) == {"use_gcu": ""}
    with pytest.raises(UserError, match="use_gcu: no such key; did you mean 'use_gpu'?"):
        check_config(builder(use_gcu=True))


def test_empty_section_and_required_options_pass_the_check() -> None:
    assert check_config(builder(LCNet=None, LCPAN={"width": 3})) == {"LCPAN.width": "this config names no LCPAN"}


def test_options_that_nothing_reads() -> None:
    items = {
        "Permute": {},
        "LCPAN": {"width": 3},
        "NMS": {"top_k": 5, "threshold": 0.5},
        "Head": {"nms": {"name": "NMS", "top_k": 9}, "num_classes": 7},
        "num_classes": 3,
    }
    assert check_config(builder(**items)) == {
        "LCPAN.width": "this config names no LCPAN",
        "NMS.top_k": "Head.nms.top_k wins; set that",
    }


def test_a_section_that_one_of_two_instances_reads() -> None:
    transforms = [{"Flip": {"prob": 0.1}}, "Flip"]
    items = {"Flip": {"prob": 0.3}, "TrainReader": {"sample_transforms": transforms}}
    assert check_config(builder(**items)) == {}
    assert [op.prob for op in builder(**items).build("TrainReader").sample_transforms] == [0.1, 0.3]


def test_a_removed_option_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UserError, match="^TrainReader.seed: is no longer an option; set seed at the top level$"):
        check_config(builder(TrainReader={"seed": 1}))


def test_a_part_that_contains_itself() -> None:
    with pytest.raises(UserError, match="^Head.extra: contains itself: PicoDet.head -> Head.extra -> Head.extra$"):
        check_config(builder(Head={"extra": "Head"}))


def test_what_only_a_training_needs_does_not_stop_others(caplog: pytest.LogCaptureFixture) -> None:
    """A section with a mistake is left out as a whole; all others stay, and are checked."""
    items = {"TrainReader": {"sample_transforms": [{"Mosaic": {}}]}, "LCNet": {"scale": 2}}
    left = without_training(builder(**items), ["LCNet.scale=2"])
    check_config(left)
    assert "TrainReader" not in left.cfg
    assert left.cfg["LCNet"]["scale"] == 2
    (line,) = caplog.messages
    assert line.startswith("TrainReader.sample_transforms.0: no class 'Mosaic' is registered")
    assert line.endswith("; only a training needs it")


def test_what_is_right_or_given_by_hand_stays() -> None:
    right = builder(TrainReader={"sample_transforms": [{"Flip": {}}]})
    assert without_training(right, []) is right
    wrong = builder(TrainReader={"sample_transforms": [{"Mosaic": {}}]})
    with pytest.raises(UserError, match="^TrainReader.sample_transforms.0: no class 'Mosaic'"):
        without_training(wrong, ["TrainReader.batch_size=2"])
