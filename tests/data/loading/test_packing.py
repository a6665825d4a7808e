"""Arrays in one piece of memory."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ppdet.data.loading.packing import ALIGNMENT, PackedArrays, allocate, padded

FIELDS = {"image": (np.float32, (2, 3, 5, 7)), "gt_class": (np.int32, (2, 3, 1)), "im_id": (np.int64, (2,))}


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 256), (256, 256), (257, 512)])
def test_every_array_begins_at_an_aligned_byte(size: int, expected: int) -> None:
    assert padded(size) == expected


def test_arrays_share_the_memory_and_do_not_overlap() -> None:
    arrays = allocate(FIELDS, None)
    assert {name: (array.dtype, array.shape) for name, array in arrays.items()} == FIELDS
    for number, array in enumerate(arrays.values()):
        array[...] = number
        assert (array.__array_interface__["data"][0] - arrays.memory.__array_interface__["data"][0]) % ALIGNMENT == 0
    assert [np.unique(array).tolist() for array in arrays.values()] == [[0], [1], [2]]
    assert len(arrays.memory) == padded(2 * 3 * 5 * 7 * 4) + padded(24) + padded(16)


def test_a_buffer_is_used_if_it_is_large_enough() -> None:
    needed = len(allocate(FIELDS, None).memory)
    for size, shared in ((needed, True), (needed + 1, True), (needed - 1, False)):
        buffer = np.zeros(size, np.uint8)
        arrays = allocate(FIELDS, buffer)
        assert np.shares_memory(arrays.memory, buffer) == shared
        assert len(arrays.memory) == needed


def test_memory_and_layout_are_all_there_is_to_send() -> None:
    arrays = allocate(FIELDS, None)
    for number, array in enumerate(arrays.values()):
        array[...] = number
    received = PackedArrays(arrays.memory.copy(), pickle.loads(pickle.dumps(arrays.layout)))
    assert list(received) == list(FIELDS)
    for name in FIELDS:
        np.testing.assert_array_equal(received[name], arrays[name])
