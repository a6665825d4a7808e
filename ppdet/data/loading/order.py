"""The order of a reader's transforms."""

from __future__ import annotations

from collections.abc import Sequence

from ppdet.core.errors import UserError
from ppdet.data.transforms.mixing import MixingTransform
from ppdet.data.transforms.pixels import AugmentHSV
from ppdet.data.transforms.sample_transforms import AnyTransform, Augmentation, NormalizeImage

Place = tuple[str, AnyTransform]  # a transform and its dotted key in the reader


def places(sample_transforms: Sequence[AnyTransform], batch_transforms: Sequence[AnyTransform]) -> list[Place]:
    """All transforms in the order in which they are applied."""
    lists = {"sample_transforms": sample_transforms, "batch_transforms": batch_transforms}
    return [(f"{key}.{index}", each) for key, transforms in lists.items() for index, each in enumerate(transforms)]


def check_order(reader: str, transforms: Sequence[Place]) -> None:
    """Raises UserError if a transform of the reader of this name gets other images than it needs."""
    normalized = False
    for place, transform in transforms:
        kind = type(transform).__name__
        if isinstance(transform, MixingTransform) and place.startswith("batch"):
            raise UserError(
                f"{reader}.{place}: found {kind}, which takes images from the whole data set; expected it in "
                f"{reader}.sample_transforms; move it there"
            )
        if normalized and isinstance(transform, (Augmentation, AugmentHSV)):
            raise UserError(
                f"{reader}.{place}: found {kind} after NormalizeImage; expected gray levels of 0 to 255; move "
                "NormalizeImage behind it"
            )
        normalized |= isinstance(transform, NormalizeImage)
