"""Gives the boxes of a dataset the class indices of another list of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ppdet.data.datasets.base import Category, GroundTruth
from ppdet.data.structures import Record


@dataclass(frozen=True)
class ClassMap:
    """The classes of a dataset in another list of classes.

    Attributes:
        categories: the other list, with the ids of the dataset.
        index: the position in `categories` of each class of the dataset; None: its boxes are left out.
    """

    categories: list[Category]
    index: Sequence[int | None]

    def records(self, records: Sequence[Record]) -> list[Record]:
        """The records with the other class indices."""
        return [self._record(record) for record in records]

    def truth(self, truth: GroundTruth | None) -> GroundTruth | None:
        """The ground truth with the other class indices."""
        if truth is None:
            return None
        classes = self._table[truth.class_index]
        kept = classes >= 0
        return replace(
            truth,
            im_id=truth.im_id[kept],
            class_index=classes[kept],
            boxes=truth.boxes[kept],
            areas=truth.areas[kept],
            crowd=truth.crowd[kept],
        )

    @cached_property
    def _table(self) -> np.ndarray:
        """[number of classes of the dataset] int64: `index` with -1 for None."""
        return np.array([-1 if position is None else position for position in self.index], np.int64)

    def _record(self, record: Record) -> Record:
        classes = self._table[record.gt_class]
        kept = classes.reshape(-1) >= 0
        return replace(
            record,
            gt_bbox=record.gt_bbox[kept],
            gt_class=classes[kept].astype(record.gt_class.dtype),
            difficult=record.difficult[kept],
            gt_score=None if record.gt_score is None else record.gt_score[kept],
        )
