"""Protocols for the parts of a loaded dataset that the metrics use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ppdet.utils.ids import FileId


class Category(Protocol):
    """A class of objects; its index in the list of categories is the class index of detections."""

    @property
    def id(self) -> FileId: ...

    @property
    def name(self) -> str: ...


class Record(Protocol):
    """An annotated image: gt_bbox [n, 4] float, xyxy, original pixels; gt_class and difficult (0 or 1) [n, 1] int."""

    @property
    def im_id(self) -> int: ...

    @property
    def gt_bbox(self) -> np.ndarray: ...

    @property
    def gt_class(self) -> np.ndarray: ...

    @property
    def difficult(self) -> np.ndarray: ...


class GroundTruth(Protocol):
    """The N boxes of a COCO file, with crowds.

    image_ids: the file's own ids of its images; the positions are the images' `im_id`. im_id and class_index [N] int;
    boxes [N, 4] float64: x, y, width, height; areas [N] float64; crowd [N] bool.
    """

    @property
    def image_ids(self) -> Sequence[FileId]: ...

    @property
    def im_id(self) -> np.ndarray: ...

    @property
    def class_index(self) -> np.ndarray: ...

    @property
    def boxes(self) -> np.ndarray: ...

    @property
    def areas(self) -> np.ndarray: ...

    @property
    def crowd(self) -> np.ndarray: ...


class Dataset(Protocol):
    """A loaded dataset."""

    @property
    def records(self) -> Sequence[Record]: ...

    @property
    def categories(self) -> Sequence[Category]: ...

    @property
    def truth(self) -> GroundTruth | None: ...
