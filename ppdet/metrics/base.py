"""Base of the metrics: they collect detections image by image and score them at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from ppdet.core.errors import UserError
from ppdet.metrics.inputs import Category


class Metric(ABC):
    """Collects detections and scores them. `primary` names the score in `compute()` that decides on the best model."""

    primary: ClassVar[str]

    def __init__(self, categories: Sequence[Category], im_ids: Iterable[int]) -> None:
        """Starts without detections.

        Args:
            categories: the classes, in the order of the model's class indices.
            im_ids: the images of the ground truth.
        """
        self._categories = list(categories)
        self._im_ids = frozenset(im_ids)
        self.reset()

    def reset(self) -> None:
        """Removes all detections."""
        self._found: list[tuple[int, np.ndarray]] = []  # im_id, [n, 6] float64
        self._evaluation: Any = None  # a metric may keep the result of scoring `_found`

    def update(self, im_id: int, detections: np.ndarray) -> None:
        """Adds the detections of one image, [n, 6] float: class index, score, x1, y1, x2, y2 in original pixels.

        Raises UserError for an image or a class that is not in the ground truth.
        """
        if im_id not in self._im_ids:
            raise UserError(
                f"image_id {im_id}: detected on, but not in the ground truth; "
                "evaluate with the annotation file that lists these images"
            )
        rows = np.asarray(detections, np.float64).reshape(-1, 6)
        classes, known = rows[:, 0], len(self._categories)
        unknown = classes[(classes < 0) | (classes >= known)]
        if len(unknown):
            raise UserError(
                f"num_classes: the model found class index {int(unknown[0])}, but the ground truth has {known} "
                "classes; evaluate with the configuration the model was trained with"
            )
        self._found.append((im_id, rows))
        self._evaluation = None

    @abstractmethod
    def has_truth(self) -> bool:
        """Whether the ground truth has objects. Without any the scores mean nothing."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """The scores by name."""

    @abstractmethod
    def classwise(self) -> Sequence[tuple[Any, ...]]:
        """One named tuple per class, for `format_table`."""
