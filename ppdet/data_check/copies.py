"""Checks for pictures that occur more than once, in one split or in several."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ppdet.data_check.finding import Finding, found
from ppdet.data_check.images import is_blank
from ppdet.data_check.pixels import THUMBNAIL
from ppdet.data_check.similar import similar_pairs
from ppdet.data_check.split import Image, Split

_Place = tuple[Split, int]  # the split, and the position of an image in it
_LEAK = "remove them from one of the splits: the score counts what was learned by heart"


def images_copied(split: Split) -> Finding | None:
    """A file with the same bytes as another one of the split."""
    places = [_name(each) for first, *others in _copies([split]) for each in others]
    return found("warning", "images are copies of another file, byte by byte", places, "remove the copies")


def images_nearly_copied(split: Split) -> Finding | None:
    """An image that looks like another one of the split: another size, format or quality, or the next picture."""
    places = [_both(pair) for pair in _near_pairs([split])]
    advice = "remove one of each pair, or keep both in the same split"
    return found("info", "pairs of images look almost the same", places, advice)


def files_in_two_splits(splits: Sequence[Split]) -> Finding | None:
    """One file is listed in two splits."""
    seen: dict[str, str] = {}
    places = []
    for split in splits:
        for file, name in {_real(image): image.name for image in split.images}.items():
            if seen.setdefault(file, split.name) != split.name:
                places.append(name)
    return found("error", "files are in more than one split", places, _LEAK)


def images_copied_across(splits: Sequence[Split]) -> Finding | None:
    """A file with the same bytes as one of another split."""
    places = []
    for first, *others in _copies(splits):
        places += [f"{_name(first)} = {_name(each)}" for each in others if each[0] is not first[0]]
    return found("error", "images are copies of one in another split, byte by byte", places, _LEAK)


def images_nearly_copied_across(splits: Sequence[Split]) -> Finding | None:
    """An image that looks like one of another split."""
    places = [_both(pair) for pair in _near_pairs(splits) if pair[0][0] is not pair[1][0]]
    return found("warning", "pairs of images in two splits look almost the same", places, _LEAK)


def _copies(splits: Sequence[Split]) -> list[list[_Place]]:
    """Groups of different files with the same bytes, in the order of the splits."""
    groups: dict[bytes, dict[str, _Place]] = {}
    for split in splits:
        for index, pixels in enumerate(split.pixels):
            if pixels and pixels.digest:
                groups.setdefault(pixels.digest, {}).setdefault(_real(split.images[index]), (split, index))
    return [list(group.values()) for group in groups.values() if len(group) > 1]


def _near_pairs(splits: Sequence[Split]) -> list[tuple[_Place, _Place]]:
    places = [(split, index) for split in splits for index in _comparable(split)]
    found = [split.pixels[index] for split, index in places]
    hashes = np.array([pixels.hash for pixels in found if pixels], np.uint64)
    thumbnails = [pixels.thumbnail for pixels in found if pixels and pixels.thumbnail is not None]
    pairs = similar_pairs(hashes, np.array(thumbnails, np.uint8).reshape(-1, THUMBNAIL**2))
    digests = [pixels.digest for pixels in found if pixels]
    return [(places[i], places[j]) for i, j in pairs if digests[i] != digests[j]]


def _comparable(split: Split) -> list[int]:
    readable = (index for index, pixels in enumerate(split.pixels) if pixels and not pixels.problem)
    return [index for index in readable if (pixels := split.pixels[index]) and not is_blank(pixels)]


def _real(image: Image) -> str:
    return os.path.realpath(image.file)


def _name(place: _Place) -> str:
    return place[0].images[place[1]].name


def _both(pair: tuple[_Place, _Place]) -> str:
    return f"{_name(pair[0])} ~ {_name(pair[1])}"
