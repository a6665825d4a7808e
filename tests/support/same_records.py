"""Compares the records of two loaded datasets of the same images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ppdet.data.datasets import Dataset


def assert_same_records(found: Dataset, expected: Dataset, tolerance: float = 0.5) -> None:
    """Compares image by image, by file name: the boxes to `tolerance` pixels, and the names of their classes."""
    assert [category.name for category in found.categories] == [category.name for category in expected.categories]
    ours, theirs = ({Path(each.im_file).name: each for each in data.records} for data in (found, expected))
    assert set(ours) == set(theirs)
    assert len(found.records) == len(expected.records)
    for name, record in theirs.items():
        assert Path(ours[name].im_file).is_file()
        assert ours[name].size == record.size
        np.testing.assert_array_equal(ours[name].gt_class, record.gt_class)
        np.testing.assert_allclose(ours[name].gt_bbox, record.gt_bbox, atol=tolerance)
        assert ours[name].gt_bbox.dtype == record.gt_bbox.dtype
