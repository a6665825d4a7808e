"""Images without annotations, for inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.core.registry import register
from ppdet.data.datasets.base import Category, Dataset, read_names
from ppdet.data.datasets.box_filter import make_record
from ppdet.data.datasets.coco_json import read_categories
from ppdet.data.datasets.yolo_yaml import YAML_SUFFIXES, read_yolo
from ppdet.deploy.images import list_images


@register
@dataclass(eq=False)
class ImageFolder(Dataset):
    """The images in `dataset_dir`/`image_dir`, or those given to `with_images`.

    `anno_path` only gives the class names, if that file exists: a COCO JSON, a data.yaml of YOLO, or a text file with
    one name per line.
    """

    images: Sequence[Path] = field(default=(), init=False)

    def with_images(self, images: Sequence[Path | str]) -> ImageFolder:
        """A dataset of these image files with this one's class names, not loaded yet."""
        other = replace(self)
        other.images = [Path(image) for image in images]
        return other

    def load(self) -> ImageFolder:
        self.categories = self._read_categories()
        images = self.images
        if not images:
            if not self.image_dir:
                raise UserError("TestDataset.image_dir: not set and no images given; pass --infer_img or --infer_dir")
            images = list_images(self.root / self.image_dir)
        if self.sample_num > 0:
            images = images[: self.sample_num]
        self.records = [make_record(path, number) for number, path in enumerate(images)]
        return self

    @property
    def has_ids(self) -> bool:
        """Whether the file of class names gives the classes ids of its own."""
        return self.anno_path.lower().endswith(".json")

    def _read_categories(self) -> list[Category]:
        """The classes in anno_path; empty if there is no such file (see base.default_categories)."""
        path = self.anno_file
        if path is None or not path.is_file():
            return []
        if path.suffix.lower() == ".json":
            return read_categories(path)
        if path.suffix.lower() in YAML_SUFFIXES:
            return [Category(index, name) for index, name in enumerate(read_yolo(path).names)]
        return [Category(index, name) for index, name in enumerate(read_names(path))]
