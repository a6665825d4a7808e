"""One list of classes for several parts, and one part of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ppdet.core.errors import UserError
from ppdet.data_edit.licenses import same_licenses
from ppdet.data_edit.parts import Entry, Object, Part, Picture


def same_classes(parts: Sequence[Part]) -> list[Part]:
    """The parts with one list of classes: those of the first one, then what the others add. Names are compared."""
    if all(part.categories == parts[0].categories for part in parts):
        return list(parts)
    for part in parts:
        require_names(part)
    categories: dict[str, Entry] = {}
    for part in parts:
        for category in part.categories:
            categories.setdefault(category["name"], category)
    names = list(categories)
    return [reclassed(part, [names.index(name) for name in part.classes], list(categories.values())) for part in parts]


def require_names(part: Part) -> None:
    """Raises UserError if two classes have the same name, which only COCO's ids could tell apart."""
    for name, count in Counter(part.classes).items():
        if count > 1:
            raise UserError(f"{part.name}: lists the class {name!r} {count} times; give each class a name of its own")


def reclassed(part: Part, index: Sequence[int | None], categories: Sequence[Entry]) -> Part:
    """The part with other classes: `index` has the new position of each class; objects of None are left out."""
    pictures = [replace(picture, objects=_moved(picture.objects, index)) for picture in part.pictures]
    return replace(part, categories=categories, pictures=pictures)


def _moved(objects: Iterable[Object], index: Sequence[int | None]) -> list[Object]:
    moved = ((each, index[each.class_index]) for each in objects)
    return [replace(each, class_index=new) for each, new in moved if new is not None]


def joined(name: str, parts: Sequence[Part]) -> Part:
    """All images of the parts, which have one list of classes. An image that several list has the objects of all."""
    by_file: dict[str, Picture] = {}
    parts = same_licenses(parts)
    for part in parts:
        for picture in part.pictures:
            file = picture.real_file
            by_file[file] = _with_objects(by_file[file], picture.objects) if file in by_file else picture
    others = {key: value for part in reversed(parts) for key, value in part.others.items()}
    return Part(name, parts[0].categories, list(by_file.values()), others, sum(part.without_box for part in parts))


def listed_again(parts: Sequence[Part], new: Sequence[Part]) -> list[str]:
    """A remark if the joined parts have fewer images than those they are made of."""
    if fewer := sum(len(part.pictures) for part in parts) - sum(len(part.pictures) for part in new):
        return [f"{fewer} images are listed again; they count once, with all objects"]
    return []


def in_two_splits(parts: Sequence[Part]) -> list[str]:
    """A remark if parts share images."""
    files = [file for part in parts for file in {picture.real_file for picture in part.pictures}]
    if repeated := len(files) - len(set(files)):
        return [f"{repeated} images are in more than one split; use `ppdet data split`, which corrects it"]
    return []


def _with_objects(picture: Picture, more: Iterable[Object]) -> Picture:
    """The picture with the objects of another list of the same file, but for those that it has already."""
    known = {_place(each) for each in picture.objects}
    return replace(picture, objects=[*picture.objects, *(each for each in more if _place(each) not in known)])


def _place(each: Object) -> tuple[Any, ...]:
    return each.class_index, each.crowd, tuple(each.box) if each.box else id(each)
