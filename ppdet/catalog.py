"""The classes that configs can name, by the modules that register them."""

from __future__ import annotations

from ppdet.core.registry import load_all

_OF_READERS = [
    "ppdet.data.loading.reader",
    "ppdet.data.transforms.affine",
    "ppdet.data.transforms.batch_mosaic",
    "ppdet.data.transforms.batch_transforms",
    "ppdet.data.transforms.copy_paste",
    "ppdet.data.transforms.expand",
    "ppdet.data.transforms.masks",
    "ppdet.data.transforms.mixup",
    "ppdet.data.transforms.mosaic",
    "ppdet.data.transforms.pixels",
    "ppdet.data.transforms.random_crop",
    "ppdet.data.transforms.random_select",
    "ppdet.data.transforms.sample_transforms",
]
_OF_DISTILLATION = ["ppdet.distillation.losses", "ppdet.distillation.qat", "ppdet.distillation.section"]


def load_classes() -> None:
    """Fill the class table: import every module that registers classes. This imports Paddle."""
    load_dataset_classes()
    load_all("ppdet.modeling", *_OF_READERS, "ppdet.optim.schedule", "ppdet.optim.optimizer", *_OF_DISTILLATION)
    load_all("ppdet.teacher_labels.teacher")


def load_dataset_classes() -> None:
    """Fill the class table with the datasets alone. This does not import Paddle."""
    load_all("ppdet.data.datasets")
