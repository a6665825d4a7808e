"""Contact sheets of a split: images with their boxes, objects of each class, the smallest boxes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ppdet.core.errors import UserError
from ppdet.data.ops.decode import read_in_time
from ppdet.data_check.split import Split
from ppdet.deploy.draw import class_color, draw
from ppdet.deploy.files import write_bytes
from ppdet.deploy.outputs import encode_image
from ppdet.utils.contact_sheet import contact_sheet, fitted
from ppdet.utils.streams import Stream, generator

_IMAGES, _IMAGE_SIDE, _IMAGE_COLUMNS = 20, 320, 5
_OBJECTS, _OBJECT_SIDE, _OBJECT_COLUMNS = 40, 160, 8
_CONTEXT = 0.4  # of the box's longer side, shown around it
_LEAST_CONTEXT = 8  # pixels
_NAME = 9  # letters of a class name in a caption
_THREADS = 4


def write_sheets(folder: Path, splits: Sequence[Split], seed: int) -> list[str]:
    """Writes the pages of all splits into `folder`, with a progress bar on a terminal; returns their file names."""
    names = []
    for split in splits:
        for name, page in tqdm(sheets(split, seed), desc=split.name, unit="page", leave=False, disable=None):
            write_bytes(folder / name, encode_image(folder / name, page))
            names.append(name)
    return names


def sheets(split: Split, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """The pages of a split: a file name, and a page [H, W, 3] uint8 BGR. A split without images has none.

    Args:
        split: the images and boxes.
        seed: of the random choice; another one shows other images.
    """
    rng = generator(Stream.SHEETS, seed)
    annotated = np.unique(split.boxes.image)
    images = _some(annotated if len(annotated) else np.arange(len(split.images)), _IMAGES, rng)
    if len(images):
        yield f"{split.name}_images.png", image_sheet(split, images)
    drawable = np.isfinite(split.boxes.corners).all(1)
    digits = len(str(len(split.categories) - 1))
    for index, category in enumerate(split.categories):
        objects = _some(np.flatnonzero(drawable & (split.boxes.class_index == index)), _OBJECTS, rng)
        if len(objects):
            name = re.sub(r"[^\w-]+", "_", category.name)[:60]
            captions = [_caption(split, number) for number in objects]
            yield f"{split.name}_class_{index:0{digits}}_{name}.png", object_sheet(split, objects, captions)
    if len(smallest := smallest_objects(split, _OBJECTS)):
        captions = [f"{_caption(split, number)} {_class_name(split, number)[:_NAME]}" for number in smallest]
        yield f"{split.name}_smallest.png", object_sheet(split, smallest, captions)


def smallest_objects(split: Split, count: int) -> np.ndarray:
    """[count] positions of the boxes with the smallest areas, the smallest first, without crowds."""
    found = np.flatnonzero(split.boxes.are_objects)
    return found[np.argsort(split.boxes.sides[found].prod(1), kind="stable")[:count]]


def image_sheet(split: Split, images: Sequence[int] | np.ndarray) -> np.ndarray:
    """A page of whole images with all their boxes as the file gives them; captions are file names."""
    pictures = _drawn(lambda index: _annotated(split, index), images, _IMAGE_SIDE)
    captions = [Path(split.images[index].name).name for index in images]
    return contact_sheet(pictures, captions, _IMAGE_SIDE, _IMAGE_COLUMNS)


def object_sheet(split: Split, boxes: Sequence[int] | np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """A page of single boxes with what is around them."""
    pictures = _drawn(lambda number: _close_up(split, number), boxes, _OBJECT_SIDE)
    return contact_sheet(pictures, captions, _OBJECT_SIDE, _OBJECT_COLUMNS)


def _caption(split: Split, number: int) -> str:
    """The name of a box's image, and the box's width and height in pixels."""
    x1, y1, x2, y2 = split.boxes.corners[number]
    return f"{Path(split.images[split.boxes.image[number]].name).name} {x2 - x1:.0f} x {y2 - y1:.0f}"


def _class_name(split: Split, number: int) -> str:
    return split.categories[int(split.boxes.class_index[number])].name


def _some(choices: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most `count` of the choices, in their order."""
    return np.sort(rng.permutation(choices)[:count])


def _drawn(picture: Callable[[int], np.ndarray], numbers: Sequence[int] | np.ndarray, side: int) -> list[np.ndarray]:
    """The pictures of the numbers; a gray field for an image that cannot be read."""

    def draw_one(number: int) -> np.ndarray:
        try:
            return picture(number)
        except UserError:
            return np.full((side, side, 3), 128, np.uint8)

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(draw_one, np.asarray(numbers).tolist()))


def _annotated(split: Split, index: int) -> np.ndarray:
    picture, factor = fitted(_read(split, index), _IMAGE_SIDE)
    boxes = split.boxes
    shown = (boxes.image == index) & np.isfinite(boxes.corners).all(1)
    kinds = boxes.class_index[shown]
    names = [split.categories[kind].name for kind in kinds.tolist()]
    return draw(picture, boxes.corners[shown] * factor, None, kinds, names)


def _close_up(split: Split, number: int) -> np.ndarray:
    image = _read(split, int(split.boxes.image[number]))
    x1, y1, x2, y2 = box = split.boxes.corners[number]
    margin = max(_CONTEXT * max(x2 - x1, y2 - y1), _LEAST_CONTEXT)
    left, right = _window(x1 - margin, x2 + margin, image.shape[1])
    top, bottom = _window(y1 - margin, y2 + margin, image.shape[0])
    picture, factor = fitted(image[top:bottom, left:right], _OBJECT_SIDE)
    corners = np.round((np.clip(box, -1e4, 1e5) - [left, top, left, top]) * factor).astype(int).tolist()
    cv2.rectangle(picture, corners[:2], corners[2:], class_color(int(split.boxes.class_index[number])), 1)
    return picture


def _window(low: float, high: float, length: int) -> tuple[int, int]:
    """The whole pixels from `low` to `high` that lie in 0..length, at least one."""
    start = int(np.clip(np.floor(low), 0, length - 1))
    return start, int(np.clip(np.ceil(high), start + 1, length))


def _read(split: Split, index: int) -> np.ndarray:
    """The image as training reads it, [h, w, 3] uint8 BGR."""
    image = split.images[index]
    return np.asarray(cv2.cvtColor(read_in_time(image.file, image.size), cv2.COLOR_RGB2BGR))
