"""Reduced decoding: the boxes, sizes and random draws of whole images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.data.datasets.box_filter import make_record
from ppdet.data.loading.reader import Reader
from ppdet.data.structures import Sample
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.reduced_decode import ReducedDecodeCrop
from ppdet.data.transforms.sample_transforms import Decode, Resize, apply_pending_resize

ReaderFactory = Callable[..., Reader]


@pytest.fixture
def large(tmp_path: Path) -> Sample:
    """A smooth JPEG of 1001 x 1502 pixels with a box."""
    y, x = np.mgrid[:1001, :1502]
    waves = 127 + 120 * np.sin(x / 160) * np.cos(y / 120)
    image = np.dstack([waves, waves[::-1], waves[:, ::-1]]).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "large.jpg"), image)
    return Sample.from_record(make_record(tmp_path / "large.jpg", 1, (1001, 1502), [(0, [300, 200, 1200, 900], 0)]))


def test_reduced_decoding_keeps_boxes_and_sizes(large: Sample) -> None:
    reduced_sizes = set()
    for seed in range(12):
        results = []
        for decode in (ReducedDecodeCrop(RandomCrop(), (96, 96)), None):
            rng = np.random.default_rng(seed)
            sample = decode(large, rng) if decode else RandomCrop()(Decode()(large, rng), rng)
            if decode:
                reduced_sizes.add(round(sample.size[0] / sample.image.shape[0]))
                assert min(sample.image.shape[:2]) >= 95
            results.append((apply_pending_resize(Resize(96, interp=3)(sample, rng)), rng.uniform()))
        (reduced, next_draw), (whole, expected_draw) = results
        assert next_draw == expected_draw
        for name in ("gt_bbox", "gt_class", "im_shape", "scale_factor"):
            np.testing.assert_array_equal(getattr(reduced, name), getattr(whole, name))
        difference = np.abs(reduced.image.astype(np.float32) - whole.image.astype(np.float32))
        assert difference.mean() < 4
    assert len(reduced_sizes) > 1


def test_a_wrongly_annotated_size_is_decoded_whole(large: Sample) -> None:
    wrong = Sample.from_record(make_record(Path(large.im_file), 1, (900, 1502), [(0, [300, 200, 1200, 900], 0)]))
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    found, expected = ReducedDecodeCrop(RandomCrop(), (96, 96))(wrong, one), RandomCrop()(Decode()(wrong, other), other)
    np.testing.assert_array_equal(found.image, expected.image)
    assert one.uniform() == other.uniform()
