"""Arrays become tensors: without a copy on the CPU, with one copy on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppdet.data.loading import batches
from ppdet.data.loading.batches import on_cpu, send
from ppdet.data.loading.collate import collate
from ppdet.data.loading.packing import PackedArrays
from tests.support.samples import ARRAYS, noise_sample


def packed(raw: bool) -> PackedArrays:
    rng = np.random.default_rng(0)
    samples = [noise_sample(rng, (32, 48), count) for count in (1, 3)]
    return collate(samples, device_normalize=raw)


def test_on_the_cpu_tensors_share_the_arrays_memory() -> None:
    arrays = packed(raw=False)
    batch = on_cpu(arrays)
    for name in ARRAYS:
        np.testing.assert_array_equal(np.array(getattr(batch, name)), arrays[name])
    arrays["image"][:] = 7
    arrays["gt_bbox"][:] = 8
    assert float(batch.image.min()) == 7
    assert float(batch.gt_bbox.min()) == 8


@pytest.mark.parametrize("raw", [False, True])
def test_what_is_sent_is_a_copy_of_the_same_values(raw: bool) -> None:
    """The place is the CPU; tests/device does the same with a device."""
    arrays = packed(raw)
    expected = {name: array.copy() for name, array in arrays.items()}
    assert expected["image"].dtype == (np.uint8 if raw else np.float32)
    sent = send(arrays, paddle.CPUPlace())
    arrays.memory[:] = 0
    batch = sent.batch()
    for name in ARRAYS:
        found = np.array(getattr(batch, name))
        assert found.dtype == (np.float32 if name == "image" else expected[name].dtype)
        np.testing.assert_array_equal(found, expected[name])  # the color map of noise changes nothing


def test_memory_is_page_locked_for_the_card_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for Paddle's CUDA build: whatever a thread asks of CUDA before it chooses a card goes to card 0."""
    calls: list[Any] = []
    monkeypatch.setattr(batches, "place_kind", lambda place: "gpu")
    monkeypatch.setattr(batches.framework, "_set_expected_place", calls.append)
    monkeypatch.setattr(paddle.Tensor, "pin_memory", lambda tensor: calls.append("lock") or tensor, raising=False)
    place = paddle.CPUPlace()
    send(packed(raw=False), place)
    assert calls == [place, "lock"]
