"""Finds the images that have to stay together: copies, near copies, and those of one group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data_check.images import is_blank
from ppdet.data_check.pixels import THUMBNAIL, Pixels, inspect_all
from ppdet.data_check.similar import all_similar_pairs
from ppdet.data_edit.parts import Picture


def find_groups(pictures: Sequence[Picture], key: re.Pattern[str] | None) -> np.ndarray:
    """[N] int64: the group of each image, from 0. Reads every file.

    Args:
        pictures: the images.
        key: images with the same match of it in their names (its first group, if it has one) stay together.
    """
    pixels = inspect_all([picture.file for picture in pictures])
    named = _equal([_key(picture, key) for picture in pictures] if key else [])
    copies = _equal([(each and each.digest) or None for each in pixels])
    return connected(len(pictures), chain([named, copies], _near(pixels)))


def as_pattern(text: str) -> re.Pattern[str]:
    """Compiles the value of --by-group."""
    try:
        return re.compile(text)
    except re.error as error:
        raise UserError(f"--by-group: {text!r} is no regular expression ({error}); correct it") from None


def connected(count: int, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """[count] int64: numbers from 0 that are equal for what the pairs connect, also by way of others.

    Args:
        count: the number of items.
        pairs: the positions [M] of the first and of the second items of M pairs each.
    """
    root = np.arange(count)
    for first, second in pairs:
        while (apart := root[first] != root[second]).any():
            ends = root[first[apart]], root[second[apart]]
            np.minimum.at(root, np.maximum(*ends), np.minimum(*ends))
            while (root != root[root]).any():
                root = root[root]
    return np.unique(root, return_inverse=True)[1].astype(np.int64)


def _key(picture: Picture, pattern: re.Pattern[str]) -> str | None:
    match = pattern.search(picture.name.replace("\\", "/"))
    return match and match[min(1, pattern.groups)]


def _equal(keys: Sequence[str | bytes | None]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of each position and the first one with an equal key."""
    first: dict[str | bytes, int] = {}
    found = [(first.setdefault(key, index), index) for index, key in enumerate(keys) if key is not None]
    table = np.array(found, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _near(pixels: Sequence[Pixels | None]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of images that look almost the same."""
    usable = [index for index, each in enumerate(pixels) if each and not each.problem and not is_blank(each)]
    found, places = [each for index in usable if (each := pixels[index])], np.array(usable, np.int64)
    hashes = np.array([each.hash for each in found], np.uint64)
    thumbnails = np.array([each.thumbnail for each in found], np.uint8).reshape(-1, THUMBNAIL**2)
    for low, high in all_similar_pairs(hashes, thumbnails):
        yield places[low], places[high]
