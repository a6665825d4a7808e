"""Finds pairs of similar pictures among many, without comparing each with each."""

from __future__ import annotations

import numpy as np

_BANDS = (11, 11, 11, 11, 10, 10)  # bits: two hashes that differ in 5 bits agree in one of the 6 bands
_MOST_BITS = 5
_MOST_LEVELS = 5.0  # mean difference of the thumbnails, of 255
_WINDOW = 200  # hashes of one band that are compared with each, which bounds the work for sets of one scene


def similar_pairs(hashes: np.ndarray, thumbnails: np.ndarray) -> list[tuple[int, int]]:
    """The pairs (i, j), i < j, of pictures that look almost the same, each j once.

    Args:
        hashes: [N] uint64, `pixels.perceptual_hash`.
        thumbnails: [N, K] uint8, gray. They decide where the hashes are alike.
    """
    nearest: dict[int, int] = {}
    for i, j in sorted(_candidates(hashes)):
        if j not in nearest and _difference(thumbnails[i], thumbnails[j]) <= _MOST_LEVELS:
            nearest[j] = i
    return sorted((i, j) for j, i in nearest.items())


def _candidates(hashes: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of positions whose hashes differ by 5 bits or less. Those that agree in a band stand side by side in it."""
    pairs: set[tuple[int, int]] = set()
    shift = 0
    for bits in _BANDS:
        band = hashes >> np.uint64(shift) & np.uint64((1 << bits) - 1)
        shift += bits
        order = np.lexsort((hashes, band))
        for step in range(1, min(_WINDOW, len(order) - 1) + 1):
            first, second = order[:-step], order[step:]
            same = band[first] == band[second]
            if not same.any():
                break
            first, second = first[same], second[same]
            near = _different_bits(hashes[first], hashes[second]) <= _MOST_BITS
            low, high = np.minimum(first[near], second[near]), np.maximum(first[near], second[near])
            pairs.update(zip(low.tolist(), high.tolist(), strict=True))
    return pairs


def _different_bits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.unpackbits((a ^ b).view(np.uint8).reshape(-1, 8), axis=1).sum(1))


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean())
