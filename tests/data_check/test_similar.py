from __future__ import annotations

import numpy as np

from ppdet.data_check import similar
from ppdet.data_check.similar import similar_pairs


def hashes_with_copies(count: int, bits: int, rng: np.random.Generator) -> np.ndarray:
    """[2 * count] uint64: random ones, and copies of them with some bits changed."""
    first = rng.integers(0, 1 << 63, count, np.int64).astype(np.uint64)
    second = first.copy()
    for index in range(count):
        for bit in rng.permutation(64)[:bits]:
            second[index] ^= np.uint64(1 << int(bit))
    return np.concatenate([first, second])


def test_every_pair_within_5_bits_is_found() -> None:
    """Compared with all pairs."""
    rng = np.random.default_rng(0)
    hashes = np.concatenate([hashes_with_copies(100, bits, rng) for bits in range(8)])
    same = np.zeros((len(hashes), 256), np.uint8)
    distance = np.array([[(int(a) ^ int(b)).bit_count() for b in hashes] for a in hashes])
    first, second = np.nonzero(np.triu(distance <= 5, 1))
    assert len(second) == len(set(second)) == 600
    assert similar_pairs(hashes, same) == sorted(zip(first.tolist(), second.tolist(), strict=True))


def test_thumbnails_decide() -> None:
    hashes = np.zeros(3, np.uint64)
    thumbnails = np.array([[100] * 4, [104] * 4, [120] * 4], np.uint8)
    assert similar_pairs(hashes, thumbnails) == [(0, 1)]


def test_each_picture_is_named_with_the_first_one_like_it() -> None:
    assert similar_pairs(np.array([1, 3, 0], np.uint64), np.zeros((3, 4), np.uint8)) == [(0, 1), (0, 2)]


def test_the_work_grows_with_the_number(monkeypatch) -> None:
    """For 20,000 random hashes hardly any pair is compared by its bits; for equal ones each with 200 others."""
    compared = []
    count_bits = similar._different_bits
    monkeypatch.setattr(similar, "_different_bits", lambda a, b: compared.append(len(a)) or count_bits(a, b))
    hashes = np.random.default_rng(0).integers(0, 1 << 63, 20_000, np.int64).astype(np.uint64)
    assert similar_pairs(hashes, np.zeros((20_000, 4), np.uint8)) == []
    assert sum(compared) < 100 * 20_000  # all pairs: 10,000 * 20,000


def test_no_pictures() -> None:
    assert similar_pairs(np.zeros(0, np.uint64), np.zeros((0, 256), np.uint8)) == []
