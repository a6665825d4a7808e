"""One set with every kind of fault: most of them in its training, each in another image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.data_faults import BOXES, HEIGHT, NAMES, WIDTH, FaultySet, clean_set, picture
from tests.support.image_specimens import encoded
from tests.support.labeling_tools import labelme_file, labelme_shape
from tests.support.voc_files import annotation

COUNTS = {
    "train": 150,
    "val": 20,
    "test_normalized": 20,
    "test_xyxy": 20,
    "test_one_size": 20,
    "test_order": 20,
    "test_ids": 20,
    "test_unlabeled": 20,
    "test_small": 10,
}
ODD_NAMES = (" ", "red", "Red", "teal ", "background")  # each a fault of class names, each in 12 images
EXTRA = (100, 70, 40, 40)  # the place of the boxes of other classes
RARE, UNTRAINED, TRAINED_ONLY = "purple", "violet", "amber"


@dataclass
class CrowdedSet(FaultySet):
    """A set that takes many odd images: their names begin with the target's number."""

    def with_image(self, data: bytes, name: str = "odd.png", width: int = WIDTH, height: int = HEIGHT) -> None:
        super().with_image(data, f"{self.target}_{name}", width, height)


def faulty_set(root: Path, plants: Mapping[str, Callable[[FaultySet], object]]) -> tuple[CrowdedSet, dict[str, int]]:
    """Draws the set and plants the faults in the images 3, 5, 7 …; returns the number of the image of each.

    The faults of classes and of whole splits are planted as well; those of `plants` come on top.
    """
    clean = clean_set(root, COUNTS)
    made = CrowdedSet(clean.root, clean.content)
    _add_classes(made)
    targets = {}
    for number, (name, plant) in enumerate(plants.items()):
        made.target = targets[name] = 3 + 2 * number
        plant(made)
    _spoil_splits(made)
    made.save()
    return made, targets


def _add_classes(made: CrowdedSet) -> None:
    for kind, name in enumerate([*ODD_NAMES, TRAINED_ONLY, RARE, UNTRAINED], start=len(NAMES)):
        for split, content in made.content.items():
            if name != TRAINED_ONLY or split in ("train", "test_order", "test_ids"):
                content["categories"].append({"id": kind + 1, "name": name})
                if split != "train":
                    made.add_box(EXTRA, kind, kind - 1, split)
        for index in range(12 if name not in (RARE, UNTRAINED) else 0):
            made.add_box(EXTRA, kind, 2 * (12 * (kind - len(NAMES)) + index))
        if name == RARE:
            made.add_box((100, 70, 3, 3), kind, 0)


def _spoil_splits(made: CrowdedSet) -> None:
    for each in made.content["test_normalized"]["annotations"]:
        each["bbox"] = [side / 200 for side in each["bbox"]]
    for each in made.content["test_xyxy"]["annotations"]:
        x, y, width, height = each["bbox"]
        each["bbox"] = [x, y, x + width, y + height]
    for index, image in enumerate(made.content["test_one_size"]["images"]):
        made.write(image["file_name"], encoded(".png", picture(50_000 + index)), "test_one_size")
        image["width"] = WIDTH
    made.content["test_order"]["categories"].reverse()
    for each in made.content["test_ids"]["categories"]:
        each["id"] += 100
    for each in made.content["test_ids"]["annotations"]:
        each["category_id"] += 100
    made.content["test_unlabeled"]["annotations"].clear()


def write_voc(root: Path) -> None:
    """20 images of VOC; the object of 3.xml is difficult."""
    root.mkdir()
    for index in range(20):
        width = WIDTH + 8 * (index % 2)
        (root / f"{index}.png").write_bytes(encoded(".png", picture(60_000 + index, width)))
        size = f"<size><width>{width}</width><height>{HEIGHT}</height></size>"
        (root / f"{index}.xml").write_text(annotation("red", (10, 10, 50, 50), int(index == 3), size))


def write_labelme(root: Path) -> None:
    """20 images of LabelMe; 3.json has a point as well, 4.json a label that cannot be printed."""
    root.mkdir()
    x, y, width, height = BOXES[0]
    for index in range(20):
        size = (HEIGHT, WIDTH + 8 * (index % 2))
        (root / f"{index}.png").write_bytes(encoded(".png", picture(70_000 + index, size[1])))
        shapes = [labelme_shape("red", [[x, y], [x + width, y + height]])]
        shapes += [labelme_shape("red", [[5, 5]], "point")] * (index == 3)
        shapes += [labelme_shape("red\x01", [[5, 5], [9, 9]])] * (index == 4)
        (root / f"{index}.json").write_text(labelme_file(f"{index}.png", size, shapes))
