"""Contact sheets of a split: images with their boxes, objects of each class, the smallest boxes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ppdet.data.ops.decode import read_to_draw
from ppdet.data_check.split import Split, plain_name
from ppdet.deploy.draw import class_color, draw
from ppdet.deploy.files import write_bytes
from ppdet.deploy.outputs import encode_image
from ppdet.utils.contact_sheet import close_up, contact_sheet, fitted, pictures_of
from ppdet.utils.streams import Stream, generator

_IMAGES, _IMAGE_SIDE, _IMAGE_COLUMNS = 20, 320, 5
_OBJECTS, _OBJECT_SIDE, _OBJECT_COLUMNS = 40, 160, 8
_NAME = 9  # letters of a class name in a caption


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
    rng, start = generator(Stream.SHEETS, seed), plain_name(split.name)
    annotated = np.unique(split.boxes.image)
    images = _some(annotated if len(annotated) else np.arange(len(split.images)), _IMAGES, rng)
    if len(images):
        yield f"{start}_images.png", image_sheet(split, images)
    drawable = np.isfinite(split.boxes.corners).all(1)
    digits = len(str(len(split.categories) - 1))
    for index, category in enumerate(split.categories):
        objects = _some(np.flatnonzero(drawable & (split.boxes.class_index == index)), _OBJECTS, rng)
        if len(objects):
            name = re.sub(r"[^\w-]+", "_", category.name)[:60]
            captions = [_caption(split, number) for number in objects]
            yield f"{start}_class_{index:0{digits}}_{name}.png", object_sheet(split, objects, captions)
    if len(smallest := smallest_objects(split, _OBJECTS)):
        captions = [f"{_caption(split, number)} {_class_name(split, number)[:_NAME]}" for number in smallest]
        yield f"{start}_smallest.png", object_sheet(split, smallest, captions)


def smallest_objects(split: Split, count: int) -> np.ndarray:
    """[count] positions of the boxes with the smallest areas, the smallest first, without crowds."""
    found = np.flatnonzero(split.boxes.are_objects)
    return found[np.argsort(split.boxes.sides[found].prod(1), kind="stable")[:count]]


def image_sheet(split: Split, images: Sequence[int] | np.ndarray) -> np.ndarray:
    """A page of whole images with all their boxes as the file gives them; captions are file names."""
    pictures = pictures_of(lambda index: _annotated(split, index), images, _IMAGE_SIDE)
    captions = [Path(split.images[index].name).name for index in images]
    return contact_sheet(pictures, captions, _IMAGE_SIDE, _IMAGE_COLUMNS)


def object_sheet(split: Split, boxes: Sequence[int] | np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """A page of single boxes with what is around them."""
    pictures = pictures_of(lambda number: _close_up(split, number), boxes, _OBJECT_SIDE)
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


def _annotated(split: Split, index: int) -> np.ndarray:
    picture, factor = fitted(_read(split, index), _IMAGE_SIDE)
    boxes = split.boxes
    shown = (boxes.image == index) & np.isfinite(boxes.corners).all(1)
    kinds = boxes.class_index[shown]
    names = [split.categories[kind].name for kind in kinds.tolist()]
    return draw(picture, boxes.corners[shown] * factor, None, kinds, names)


def _close_up(split: Split, number: int) -> np.ndarray:
    image = _read(split, int(split.boxes.image[number]))
    box, color = split.boxes.corners[number], class_color(int(split.boxes.class_index[number]))
    return close_up(image, box, [(box, color)], _OBJECT_SIDE)


def _read(split: Split, index: int) -> np.ndarray:
    """The image as training reads it, [h, w, 3] uint8 BGR."""
    image = split.images[index]
    return read_to_draw(image.file, image.size)
