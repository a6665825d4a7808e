"""Small generated datasets: scenes, and the files that describe them in the formats of COCO and Pascal VOC."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from ppdet.data.datasets import Category, Dataset
from ppdet.data.datasets.box_filter import make_record

CLASSES = ("red", "green", "blue")
COLORS = ((220, 40, 40), (40, 200, 60), (50, 70, 230))  # RGB
HEIGHT, WIDTH = 48, 64
VOC_OBJECT = (
    "<object><name>{name}</name><bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>"
    "</object>"
)

Box = tuple[int, int, int, int]  # x1, y1, x2, y2
Scene = tuple[np.ndarray, list[tuple[Box, int]]]  # image [h, w, 3] uint8 RGB; its boxes and class indices


def draw_scene(seed: int) -> Scene:
    """An image of 48 x 64 with colored rectangles, two small ones or one large one."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    objects = []
    for left, width in ((0, 16), (WIDTH // 2, 16)) if seed % 2 else ((0, 50),):
        x1, y1 = left + int(rng.integers(1, 8)), int(rng.integers(1, 8))
        x2, y2 = x1 + width + int(rng.integers(6)), y1 + int(rng.integers(20, 40))
        class_index = int(rng.integers(len(CLASSES)))
        image[y1:y2, x1:x2] = COLORS[class_index]
        objects.append(((x1, y1, x2, y2), class_index))
    return image, objects


def noise_scenes(count: int) -> Iterable[Scene]:
    """Noise of 60 x 80 with one or two boxes, and none on the last image."""
    rng = np.random.default_rng(0)
    for number in range(1, count + 1):
        image = rng.integers(0, 255, (60, 80, 3), np.uint8)
        boxes = [(5 * number, 4, 5 * number + 30, 29), (10, 20, 50, 50)][: 0 if number == count else 1 + number % 2]
        yield image, [(box, (number + i) % len(CLASSES)) for i, box in enumerate(boxes, start=1)]


def write_image(path: Path, rgb: np.ndarray) -> None:
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def write_coco(anno_path: Path, image_dir: Path, scenes: Iterable[Scene], first_category: int = 11) -> None:
    """Writes `image_dir`/1.png, 2.png, … and the JSON. Image ids start at 1, category ids at `first_category`."""
    image_dir.mkdir(parents=True)
    images, annotations = [], []
    for number, (image, objects) in enumerate(scenes, start=1):
        write_image(image_dir / f"{number}.png", image)
        height, width = image.shape[:2]
        images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        for (x1, y1, x2, y2), class_index in objects:
            annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": first_category + class_index}
            shape = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            annotations.append(annotation | shape)
    categories = [{"id": first_category + index, "name": name} for index, name in enumerate(CLASSES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    anno_path.write_text(json.dumps(content))


def write_voc(root: Path, split: str, scenes: Iterable[Scene]) -> None:
    """Writes the plain VOC layout: {JPEGImages,Annotations}/<split>_0 and so on, <split>.txt and labels.txt."""
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    stems = []
    for number, (image, objects) in enumerate(scenes):
        stems.append(f"{split}_{number}")
        write_image(root / "JPEGImages" / f"{stems[-1]}.png", image)
        height, width = image.shape[:2]
        size = f"<size><width>{width}</width><height>{height}</height></size>"
        text = "".join(VOC_OBJECT.format(*box, name=CLASSES[index]) for box, index in objects)
        (root / "Annotations" / f"{stems[-1]}.xml").write_text(f"<annotation>{size}{text}</annotation>")
    (root / f"{split}.txt").write_text("\n".join(stems))
    (root / "labels.txt").write_text("\n".join(CLASSES))


class SmallDataset(Dataset):
    """`count` JPEGs of 48 x 64 noise with 0, 1 or 2 boxes of one class; there is no annotation file."""

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(str(folder))
        self.count = count

    def load(self) -> SmallDataset:
        rng = np.random.default_rng(0)
        self.categories = [Category(0, "thing")]
        for number in range(self.count):
            path = self.root / f"{number}.jpg"
            write_image(path, rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
            boxes = [[4, 4, 40, 30], [10, 10, 60, 44]][: number % 3]
            self.records.append(make_record(path, number, (HEIGHT, WIDTH), [(0, box, 0) for box in boxes]))
        return self
