"""No two uses of random numbers draw the same ones."""

from __future__ import annotations

from itertools import product

from ppdet.utils.streams import Stream, generator

NUMBERS = {
    Stream.ORDER: 2,
    Stream.SAMPLE: 4,
    Stream.BATCH: 3,
    Stream.CALIBRATION: 1,
    Stream.SPLIT: 1,
    Stream.SHEETS: 1,
    Stream.BOOTSTRAP: 1,
    Stream.FOLLOWED: 1,
}  # 0 of the others
VALUES = (0, 1, 2, 7, 2**31, 2**32, 2**32 + 1, 2**64 - 1)


def test_no_two_uses_coincide() -> None:
    words = [
        tuple(generator(use, *numbers).integers(0, 2**64, 4, "uint64", endpoint=False).tolist())
        for use in Stream
        for numbers in product(VALUES, repeat=NUMBERS.get(use, 0))
    ]
    assert len(words) > 4000
    assert len(set(words)) == len(words)


def test_a_stream_is_the_same_every_time() -> None:
    one, other = generator(Stream.ORDER, 3, 4), generator(Stream.ORDER, 3, 4)
    assert one.permutation(50).tolist() == other.permutation(50).tolist()


def test_uses_keep_their_numbers() -> None:
    """Another number would change what a seed draws."""
    assert [use.value for use in Stream] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
