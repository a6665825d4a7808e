from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.builder import Builder
from ppdet.core.config import load_with_places
from ppdet.core.errors import UserError
from ppdet.core.explain import Explainer
from tests.support.small_classes import CLASSES

BASE = """\
architecture: PicoDet
epoch: 3
eval_size: [64, 64]
PicoDet: {backbone: LCNet, head: Head}
LCNet: {scale: 2.0, freeze_at: 1}
NMS:
  top_k: 5
  threshold: 0.5
"""
MINE = """\
_BASE_: base.yml
num_classes: 7
Head:
  nms: {name: NMS, threshold: 0.25}
  options: {weight: 1.5}
TrainReader:
  sample_transforms:
    - Permute: {}
    - Flip: {prob: 0.1}
"""


@pytest.fixture
def explainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explainer:
    monkeypatch.chdir(tmp_path)
    Path("base.yml").write_text(BASE)
    Path("mine.yml").write_text(MINE)
    cfg, places = load_with_places("mine.yml", ["TrainReader.batch_size=4", "export.nms=false"])
    return Explainer(Builder(cfg, CLASSES), places)


@pytest.mark.parametrize(
    ("key", "value", "source"),
    [
        ("Head.num_classes", 7, "shared top-level key num_classes, mine.yml:2"),
        ("PicoDet.head.num_classes", 7, "shared top-level key num_classes, mine.yml:2"),
        ("Head.norm", None, "constructor default"),
        ("Head.options.weight", 1.5, "mine.yml:5"),
        ("LCNet.scale", 2.0, "class section LCNet, base.yml:5"),
        ("PicoDet.backbone.scale", 2.0, "class section LCNet, base.yml:5"),
        ("PicoDet.backbone", "LCNet", "class section PicoDet, base.yml:4"),
        ("Head.nms.top_k", 5, "class section NMS, base.yml:7"),
        ("Head.nms.threshold", 0.25, "inline mapping Head.nms, mine.yml:4"),
        ("TrainReader.batch_size", 4, "class section TrainReader, -o"),
        (
            "TrainReader.sample_transforms.1.Flip.prob",
            0.1,
            "inline mapping TrainReader.sample_transforms.1.Flip, mine.yml:9",
        ),
        (
            "TrainReader.sample_transforms.1.prob",
            0.1,
            "inline mapping TrainReader.sample_transforms.1.Flip, mine.yml:9",
        ),
        ("LCPAN.width", 96, "constructor default; not used, this config names no LCPAN"),
        (
            "LCPAN.in_channels",
            None,
            "not set; the program hands it over, or it is required; not used, this config names no LCPAN",
        ),
        ("epoch", 3, "top-level key, base.yml:2"),
        ("seed", None, "default"),
        ("filename", "mine", "top-level key, the name of the file"),
        ("export.nms", False, "key of export, -o"),
        ("export.fp16", False, "default"),
        ("eval_size", (64, 64), "base.yml:3"),
        ("LCNet.freeze_at", 1, "base.yml:5"),
    ],
)
def test_value_and_source(explainer: Explainer, key: str, value: object, source: str) -> None:
    entry = explainer.entry(key)
    assert entry is not None
    assert (entry.value, entry.source) == (value, source)


def test_what_has_no_effect(explainer: Explainer) -> None:
    found = {key: explainer.explain(key).split("means")[1] for key in ("eval_size", "LCNet.freeze_at", "NMS.threshold")}
    assert found["eval_size"].startswith("  no effect here; set EvalReader.sample_transforms.1.Resize.target_size")
    assert found["LCNet.freeze_at"] == "  no effect here; train all layers"
    assert found["NMS.threshold"] == "  no effect here; Head.nms.threshold wins; set that"


def test_the_text_of_an_option(explainer: Explainer) -> None:
    assert explainer.explain("epoch") == (
        "epoch: 3\n  from   top-level key, base.yml:2\n  takes  int, at least 1\n  means  epochs to train."
    )


def test_a_section(explainer: Explainer) -> None:
    first, *options = explainer.explain("Head").split("\n\n")
    assert first.startswith("Head, the options of Head: ")
    assert [text.split(":")[0] for text in options] == [
        "Head.nms",
        "Head.num_classes",
        "Head.norm",
        "Head.extra",
        "Head.options",
    ]
    assert "export.opset: 14\n" in explainer.explain("export")


def test_an_option_that_is_a_part_comes_with_its_section(explainer: Explainer) -> None:
    option, section, *_ = explainer.explain("Head.nms").split("\n\n")
    assert option.startswith("Head.nms: {name: NMS, threshold: 0.25}\n  from   class section Head, mine.yml:4")
    assert section.startswith("Head.nms, the options of NMS: ")


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("Head.num_clases", "did you mean 'Head.num_classes'?"),
        ("num_clases", "did you mean 'num_classes'?"),
        ("LCNett", "did you mean 'LCNet'?"),
        ("export.nmss", "did you mean 'export.nms'?"),
        ("epoch.x", "did you mean"),
    ],
)
def test_an_unknown_key(explainer: Explainer, key: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        explainer.explain(key)
    assert str(error.value).startswith(f"{key}: no such key; {hint}")
