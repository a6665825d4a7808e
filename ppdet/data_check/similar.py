"""Finds pairs of similar pictures among many, without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

_BANDS = (11, 11, 11, 11, 10, 10)  # bits: two hashes that differ in 5 bits agree in one of the 6 bands
_MOST_BITS = 5
_MOST_LEVELS = 5.0  # mean difference of the thumbnails, of 255
_WINDOW = 200  # hashes of one band that are compared with each, which bounds the work for sets of one scene

_BITS = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(1, dtype=np.uint8)


def similar_pairs(hashes: np.ndarray, thumbnails: np.ndarray) -> list[tuple[int, int]]:
    """The pairs (i, j), i < j, of pictures that look almost the same, each j once, with the first i.

    Args:
        hashes: [N] uint64, `pixels.perceptual_hash`.
        thumbnails: [N, K] uint8, gray. They decide where the hashes are alike.
    """
    nearest = np.arange(len(hashes))
    for low, high in all_similar_pairs(hashes, thumbnails):
        np.minimum.at(nearest, high, low)
    return [(int(i), j) for j, i in enumerate(nearest) if i < j]


def all_similar_pairs(hashes: np.ndarray, thumbnails: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """As `similar_pairs`, but each j with every i, in no order; i [M] and j [M] each."""
    for low, high in _candidates(hashes):
        alike = _difference(thumbnails[low], thumbnails[high]) <= _MOST_LEVELS
        yield low[alike], high[alike]


def _candidates(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions (i, j), i < j, of hashes that differ by 5 bits or less: those that agree in a band are compared.

    Sorted by a band, they stand side by side. A pair that agrees in several bands is compared once.
    """
    shift = 0
    earlier: list[tuple[np.ndarray, np.ndarray]] = []
    for bits in _BANDS:
        band = hashes >> np.uint64(shift) & np.uint64((1 << bits) - 1)
        shift += bits
        order = np.lexsort((hashes, band))
        for step in range(1, min(_WINDOW, len(order) - 1) + 1):
            first, second = order[:-step], order[step:]
            same = band[first] == band[second]
            if not same.any():
                break
            first, second = _new(first[same], second[same], earlier)
            near = _different_bits(hashes[first], hashes[second]) <= _MOST_BITS
            yield np.minimum(first[near], second[near]), np.maximum(first[near], second[near])
        earlier.append((band, np.argsort(order)))


def _new(
    first: np.ndarray, second: np.ndarray, earlier: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs that were not compared in an earlier band, of which the values and the ranks are given."""
    for band, rank in earlier:
        new = (band[first] != band[second]) | (np.abs(rank[first] - rank[second]) > _WINDOW)
        first, second = first[new], second[new]
    return first, second


def _different_bits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(_BITS[(a ^ b).view(np.uint16)].reshape(-1, 4).sum(1))


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[M]: the mean difference of each pair of rows of [M, K] uint8."""
    if not len(a):
        return np.zeros(0)
    return np.asarray(cv2.reduce(cv2.absdiff(a, b), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0] / a.shape[1])
