"""What metrics need of a loaded dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np


class Category(Protocol):
    """A class of objects; its index in the list of categories is the class index of detections."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...


class Record(Protocol):
    """An annotated image.

    gt_bbox [n, 4] float, xyxy, original pixels; gt_class and difficult [n, 1] int, difficult 0 or 1.
    """

    @property
    def im_id(self) -> int: ...

    @property
    def gt_bbox(self) -> np.ndarray: ...

    @property
    def gt_class(self) -> np.ndarray: ...

    @property
    def difficult(self) -> np.ndarray: ...


class Dataset(Protocol):
    @property
    def records(self) -> Sequence[Record]: ...

    @property
    def categories(self) -> Sequence[Category]: ...

    @property
    def anno_file(self) -> Path | None: ...
