"""A small COCO set without a fault, and for each kind of fault a function that plants it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.support.image_specimens import encoded, exif, png_chunk

NAMES = ("red", "green", "blue")
COUNTS = {"train": 24, "val": 20}
WIDTH, HEIGHT = 160, 120
BOXES = ((10, 10, 40, 40), (60, 10, 45, 40), (20, 60, 50, 45))  # x, y, width, height, of each class
COPIED = 3  # the image that most faults are planted in


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """[height, width, 3] uint8: soft colors, in another place for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@dataclass
class FaultySet:
    """The set in `root`: <split>/<number>.png and <split>.json, which `save` writes from `content`.

    target: the number of the image that most faults are planted in, an odd one.
    """

    root: Path
    content: dict[str, dict[str, list[dict[str, Any]]]]
    target: int = COPIED

    @property
    def train(self) -> dict[str, list[dict[str, Any]]]:
        return self.content["train"]

    @property
    def val(self) -> dict[str, list[dict[str, Any]]]:
        return self.content["val"]

    @property
    def name(self) -> str:
        return f"{self.target}.png"

    @property
    def file(self) -> Path:
        """The image file that most faults are planted in."""
        return self.root / "train" / self.name

    @property
    def box(self) -> dict[str, Any]:
        """Its first annotation."""
        return self.of_image(self.target)[0]

    def of_image(self, image_id: Any, split: str = "train") -> list[dict[str, Any]]:
        return [each for each in self.content[split]["annotations"] if each.get("image_id") == image_id]

    def add_box(self, box: tuple[float, ...], kind: int = 0, image_id: Any = None, split: str = "train") -> None:
        annotations = self.content[split]["annotations"]
        new_id = max((each.get("id", 0) for each in annotations), default=9_999) + 1
        image_id = self.target if image_id is None else image_id
        new = {"id": new_id, "image_id": image_id, "category_id": kind + 1, "bbox": list(box)}
        annotations.append(new | {"area": abs(box[2] * box[3]) or 1, "iscrowd": 0})

    def add_image(self, name: str, split: str = "train", width: int = WIDTH, height: int = HEIGHT) -> None:
        """Lists an image with a box of each class."""
        images = self.content[split]["images"]
        images.append({"id": 500 + len(images), "file_name": name, "width": width, "height": height})
        for kind, (x, y, w, h) in enumerate(BOXES):
            scale_x, scale_y = width / WIDTH, height / HEIGHT
            self.add_box((x * scale_x, y * scale_y, w * scale_x, h * scale_y), kind, images[-1]["id"], split)

    def write(self, name: str, data: bytes, split: str = "train") -> None:
        (self.root / split / name).write_bytes(data)

    def with_image(self, data: bytes, name: str = "odd.png", width: int = WIDTH, height: int = HEIGHT) -> None:
        """Adds an image file and lists it."""
        self.write(name, data)
        self.add_image(name, width=width, height=height)

    def rename_class(self, index: int, name: str) -> None:
        for content in self.content.values():
            content["categories"][index]["name"] = name

    def add_class(self, name: str, *splits: str) -> None:
        for split in splits:
            self.content[split]["categories"].append({"id": len(NAMES) + 1, "name": name})

    def save(self) -> None:
        for split, content in self.content.items():
            (self.root / f"{split}.json").write_text(json.dumps(content))


def clean_set(root: Path, counts: Mapping[str, int] = COUNTS) -> FaultySet:
    """Draws the set; two sizes of images, three classes."""
    made = FaultySet(root, {})
    for number, (split, count) in enumerate(counts.items()):
        (root / split).mkdir(parents=True)
        categories = [{"id": index + 1, "name": name} for index, name in enumerate(NAMES)]
        made.content[split] = {"images": [], "annotations": [], "categories": categories}
        for index in range(count):
            width = WIDTH + 8 * (index % 2)
            made.write(f"{index}.png", encoded(".png", picture(1000 * number + index, width)), split)
            image = {"id": index, "file_name": f"{index}.png", "width": width, "height": HEIGHT}
            made.content[split]["images"].append(image)
            for kind, box in enumerate(BOXES):
                made.add_box(box, kind, index, split)
    made.save()
    return made


def copy_of(clean: FaultySet, root: Path) -> FaultySet:
    """A copy to plant a fault in."""
    shutil.copytree(clean.root, root)
    return FaultySet(root, json.loads(json.dumps(clean.content)))


def plant_image_ids_of_two_kinds(made: FaultySet) -> None:
    for annotation in made.of_image(made.target):
        annotation["image_id"] = "three"
    made.train["images"][made.target]["id"] = "three"


def plant_names_spelled_otherwise(made: FaultySet) -> None:
    made.file.rename(made.file.with_name(f"number {made.name}"))
    made.train["images"][made.target]["file_name"] = f"number%20{made.name}"


def plant_sizes_swapped(made: FaultySet) -> None:
    image = made.train["images"][made.target]
    image["width"], image["height"] = image["height"], image["width"]


def plant_turned(made: FaultySet) -> None:
    data = encoded(".png", odd_picture(made))
    made.with_image(data[:33] + png_chunk(b"eXIf", exif(6)) + data[33:])


def plant_one_size(made: FaultySet) -> None:
    for index, image in enumerate(made.train["images"]):
        made.write(image["file_name"], encoded(".png", picture(index)))
        image["width"] = WIDTH


def plant_many_boxes(made: FaultySet) -> None:
    for annotation in made.of_image(made.target):
        made.train["annotations"].remove(annotation)
    for index in range(101):
        made.add_box((1 + 14 * (index % 11), 1 + 11 * (index // 11), 12, 10))


def plant_few_images(made: FaultySet) -> None:
    made.add_class("purple", "train", "val")
    made.add_box((100, 70, 40, 40), len(NAMES))
    made.add_box((100, 70, 40, 40), len(NAMES), split="val")


def plant_imbalance(made: FaultySet) -> None:
    plant_few_images(made)
    for index in range(80):
        made.add_box((1 + 14 * (index % 11), 1 + 11 * (index // 11), 12, 10), image_id=5)


def plant_class_of_one_split(made: FaultySet) -> None:
    made.add_class("purple", "train")
    for index in range(10):
        made.add_box((100, 70, 40, 40), len(NAMES), index)


def plant_class_never_trained(made: FaultySet) -> None:
    made.add_class("purple", "train", "val")
    made.add_box((100, 70, 40, 40), len(NAMES), split="val")


def plant_other_ids(made: FaultySet) -> None:
    for category in made.val["categories"]:
        category["id"] += 100
    for annotation in made.val["annotations"]:
        annotation["category_id"] += 100


def plant_small_split(made: FaultySet) -> None:
    for image in made.val["images"][10:]:
        (made.root / "val" / image["file_name"]).unlink()
    del made.val["images"][10:]
    made.val["annotations"] = [each for each in made.val["annotations"] if each["image_id"] < 10]


def plant_small_boxes(made: FaultySet) -> None:
    for annotation in [each for each in made.train["annotations"] if each["category_id"] == 3][:8]:
        annotation["bbox"][2:] = [3, 3]


def plant_boxes(change: Callable[[float, float, float, float], list[float]]) -> Callable[[FaultySet], None]:
    """Changes all boxes of the training."""

    def plant(made: FaultySet) -> None:
        for annotation in made.train["annotations"]:
            annotation["bbox"] = change(*annotation["bbox"])

    return plant


def sized(width: int, height: int) -> Callable[[FaultySet], None]:
    """Adds an image of this size."""

    def add(made: FaultySet) -> None:
        made.with_image(encoded(".png", odd_picture(made, width, height)), "odd.png", width, height)

    return add


def listed(section: str, **entry: Any) -> Callable[[FaultySet], None]:
    """Adds an entry to a section of train.json."""
    return lambda made: made.train[section].append(entry)


def box(*numbers: Any) -> Callable[[FaultySet], None]:
    """Adds a box of the first class."""
    return lambda made: made.add_box(numbers)


def image_as(dtype: type = np.uint8, channels: int = 3) -> Callable[[FaultySet], None]:
    """Adds a PNG of another number of channels or bits."""
    conversion = {1: cv2.COLOR_BGR2GRAY, 3: None, 4: cv2.COLOR_BGR2BGRA}[channels]

    def add(made: FaultySet) -> None:
        image = odd_picture(made)
        image = image if conversion is None else cv2.cvtColor(image, conversion)
        made.with_image(encoded(".png", image.astype(dtype)))

    return add


def odd_picture(made: FaultySet, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture that is in no split."""
    return picture(100_000 + made.target, width, height)
