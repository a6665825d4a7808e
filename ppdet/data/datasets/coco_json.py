"""Reader of COCO's JSON: checks every entry, and numbers classes, images and annotations from 0."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ppdet.core.errors import UserError
from ppdet.data.datasets.base import Category
from ppdet.utils.ids import FileId, IdIndex, sort_key
from ppdet.utils.json_file import Entry, entries, finite_number, read_json

logger = logging.getLogger(__name__)

SECTIONS = ("images", "annotations", "categories")
_LONGEST_SIDE = 1 << 20  # pixels; OpenCV reads no larger images


class Image(NamedTuple):
    """One image. `size` is (height, width) as the file gives it; None if it gives no possible size."""

    id: FileId
    name: str
    size: tuple[int, int] | None
    number: int  # in the file's list


class Annotation(NamedTuple):
    """One object.

    Attributes:
        number: position in the file's list.
        image: position in CocoFile.images.
        class_index: position in CocoFile.categories.
        box: x, y, width, height in pixels, as in the file; None if these are no box.
        problem: the reason why there is no box, as in "without bbox".
        area: area of the outline; None if the file gives no number.
        crowd: iscrowd.
        ignore: the annotation is left out of training.
    """

    number: int
    image: int
    class_index: int
    box: list[float] | None
    problem: str
    area: float | None
    crowd: bool
    ignore: bool


class CocoFile(NamedTuple):
    """A whole file: images sorted by id, categories and annotations in the file's order."""

    categories: list[Category]
    images: list[Image]
    annotations: list[Annotation]


def read_coco(path: Path) -> CocoFile:
    """Reads a file of COCO detection annotations. Raises UserError, which names the entry at fault."""
    return parse_coco(path, read_sections(path, SECTIONS))


def parse_coco(path: Path, content: Mapping[str, Any]) -> CocoFile:
    """Checks the sections of a file that is read already. Raises UserError, which names the entry at fault."""
    categories = _parse_categories(path, content["categories"])
    images = _parse_images(path, content["images"])
    image_index, class_index = (IdIndex(each.id for each in part) for part in (images, categories))
    annotations = [
        _parse_annotation(entry, image_index, class_index)
        for entry in entries(path, "annotations", content["annotations"])
    ]
    return CocoFile(categories, images, annotations)


def read_categories(path: Path) -> list[Category]:
    """Reads the classes of a file that may have no other section."""
    return _parse_categories(path, read_sections(path, ["categories"])["categories"])


def read_sections(path: Path, sections: Sequence[str]) -> Mapping[str, Any]:
    """Reads a file that has these lists, whose entries are not checked yet."""
    content = read_json(path)
    missing = [name for name in sections if not isinstance(content, dict) or not isinstance(content.get(name), list)]
    if missing:
        raise UserError(f"{path}: has no list {' and no list '.join(missing)}; expected COCO detection annotations")
    return content  # type: ignore[no-any-return]  # checked above


def _parse_categories(path: Path, values: list[Any]) -> list[Category]:
    categories: list[Category] = []
    seen: dict[FileId, str] = {}
    for entry in entries(path, "categories", values):
        category = Category(entry.id("id"), entry.text("name"))
        if category.id in seen:
            raise entry.wrong("id", f"an id of its own, which {seen[category.id]} has already")
        seen[category.id] = entry.place
        categories.append(category)
    names = Counter(category.name for category in categories)
    if repeated := [name for name, count in names.items() if count > 1]:
        message = "%s: more than one of the categories is called %r; only their ids distinguish them"
        logger.warning(message, path, repeated[0])
    return categories


def _parse_images(path: Path, values: list[Any]) -> list[Image]:
    """The images, sorted by id. An image that is listed twice with the same id and name counts once."""
    images: dict[FileId, Image] = {}
    for entry in entries(path, "images", values):
        image = Image(entry.id("id"), entry.text("file_name"), annotated_size(entry.values), entry.index)
        other = images.setdefault(image.id, image)
        if other.name != image.name:
            raise entry.wrong("id", f"an id of its own: {image.name!r} has that of {other.name!r}; renumber one")
    return sorted(images.values(), key=lambda image: sort_key(image.id))


def annotated_size(values: Mapping[str, Any]) -> tuple[int, int] | None:
    """(height, width) of an image's entry; None if it gives no possible size."""
    height, width = (finite_number(values.get(side)) or 0 for side in ("height", "width"))
    if not all(1 <= side <= _LONGEST_SIDE and side == int(side) for side in (height, width)):
        return None
    return int(height), int(width)


def _parse_annotation(entry: Entry, images: IdIndex, classes: IdIndex) -> Annotation:
    image = _position(entry, "image_id", images, "images")
    class_index = _position(entry, "category_id", classes, "categories")
    box, problem = parse_box(entry.values.get("bbox"))
    area = finite_number(entry.values.get("area"))
    crowd, ignore = entry.flag("iscrowd"), entry.flag("ignore")
    return Annotation(entry.index, image, class_index, box, problem, area, crowd, ignore)


def _position(entry: Entry, key: str, index: IdIndex, section: str) -> int:
    position = index.find(entry.id(key))
    if position is None:
        raise entry.wrong(key, f"the id of one of the file's {section}; correct or remove the annotation")
    return position


def parse_box(value: Any) -> tuple[list[float] | None, str]:
    """The four numbers of a bbox and "", or None and the reason why it is no box, as in "without bbox"."""
    if value is None or value == []:
        return None, "without bbox"
    if not isinstance(value, list) or len(value) != 4:
        return None, "with a bbox that is not 4 numbers"
    if any(isinstance(number, str) for number in value):
        return None, "with a bbox of strings"
    numbers = [number for each in value if (number := finite_number(each)) is not None]
    return (numbers, "") if len(numbers) == 4 else (None, "with a bbox that is not 4 finite numbers")
