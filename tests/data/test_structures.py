"""Records become samples."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest

from ppdet.data import Batch, Sample
from ppdet.data.datasets.box_filter import make_record


def test_a_new_sample_has_the_annotation_and_no_pixels() -> None:
    record = make_record(Path("a.jpg"), 3, (40, 60), [(2, [1, 2, 3, 4], 1), (0, [5, 6, 7, 8], 0)])
    sample = Sample.from_record(record)
    assert (sample.im_file, sample.im_id, sample.annotated_size) == ("a.jpg", 3, (40, 60))
    assert (sample.image.shape, sample.image.dtype) == ((0, 0, 3), np.uint8)
    assert (sample.size, sample.decoded_size) == ((0, 0), (0, 0))
    assert sample.scale_factor.tolist() == [1, 1]
    assert sample.gt_bbox.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert sample.gt_class.tolist() == [[2], [0]]
    nothing_pending = (sample.pending_resize, sample.color_map, sample.padded_size, sample.pad_gt_mask)
    assert nothing_pending == (None, None, None, None)


def test_boxes_are_replaced_with_all_that_belongs_to_them() -> None:
    record = make_record(Path("a.jpg"), 3, (40, 60), [(2, [1, 2, 3, 4], 1), (0, [5, 6, 7, 8], 0), (1, [0, 0, 9, 9], 0)])
    kept, boxes = np.array([2, 0]), np.float32([[0, 0, 5, 5], [1, 2, 2, 3]])
    plain = Sample.from_record(record).with_boxes(boxes, kept)
    assert (plain.gt_bbox.tolist(), plain.gt_class.tolist(), plain.gt_score) == (boxes.tolist(), [[1], [2]], None)
    scored = Sample.from_record(replace(record, gt_score=np.float32([[0.5], [1], [0.25]]))).with_boxes(boxes, kept)
    assert scored.gt_score is not None
    assert scored.gt_score.tolist() == [[0.25], [0.5]]


def test_a_record_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        make_record(Path("a.jpg"), 3).im_id = 4  # type: ignore[misc]


def test_a_batch_has_no_field_that_samples_lack() -> None:
    assert {field.name for field in fields(Batch)} <= {field.name for field in fields(Sample)}
