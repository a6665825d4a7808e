"""A few classes with the names of a detector's parts, and a Builder of them, for tests of the config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.ranges import Positive
from ppdet.core.registry import Component, Shared


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


@dataclass
class WideHead(Head):
    base_section: ClassVar[str] = "Head"
    width: Positive = 2


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
    removed_options: ClassVar[dict[str, str]] = {"seed": "set seed at the top level"}

    def __init__(self, sample_transforms: list[Component[Any]], batch_size: int = 1, shuffle: bool = False) -> None:
        self.sample_transforms, self.batch_size, self.shuffle = sample_transforms, batch_size, shuffle


CLASSES = {cls.__name__: cls for cls in (LCNet, LCPAN, NMS, Head, WideHead, PicoDet, Flip, Permute, TrainReader)}
DETECTOR = {"architecture": "PicoDet", "epoch": 1, "PicoDet": {"backbone": "LCNet", "head": "Head"}}


def builder(**items: Any) -> Builder:
    return Builder(Config(DETECTOR | items), CLASSES)
