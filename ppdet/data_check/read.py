"""Reads a dataset of any format as a Split: with the boxes, images and ids that training would drop or refuse."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.datasets import AnnotatedDataset, COCODataSet, Dataset
from ppdet.data.datasets.base import GroundTruth, require_file, require_folder
from ppdet.data.datasets.box_filter import BoxFilter, Object, Size, make_record
from ppdet.data.structures import Record
from ppdet.data_check.coco_entries import read_coco_entries
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_check.split import Boxes, Image, Network, Split

_Row = tuple[int, int, Sequence[float], int]  # image, class index, xyxy, difficult


def read_splits(source: Path, names: Sequence[str], size: int | None = None) -> list[Split]:
    """Reads the splits of a folder or a config, see `datasets_of`, without the warnings of the readers."""
    datasets, network = datasets_of(source, names, size)
    logging.disable(logging.WARNING)  # the checks say the same
    try:
        return [read_split(name, dataset, network) for name, dataset in datasets.items()]
    finally:
        logging.disable(logging.NOTSET)


def read_split(name: str, dataset: Dataset, network: Network) -> Split:
    """Reads the annotations, not the images. Raises UserError if the file as a whole cannot be read."""
    if not isinstance(dataset, AnnotatedDataset):
        raise UserError(f"{name}: {type(dataset).__name__} has no boxes; give a dataset with annotations")
    dataset = dataset.of_format
    folder = dataset.root / dataset.image_dir
    if isinstance(dataset, COCODataSet) and dataset.anno_file:
        require_file(dataset.anno_file, dataset.annotations, dataset.remedy)
        require_folder(folder, "the images", dataset.remedy)
        images, categories, boxes, faults = read_coco_entries(dataset.anno_file, folder)
        return Split(name, dataset.anno_file, folder, images, categories, boxes, dataset.allow_empty, faults, network)
    found, records, rows = dataset.read_boxes(RawBoxes)
    boxes = rows.boxes(dataset.truth)
    images = [Image(_relative(record.im_file, dataset.root), record.im_file, record.size) for record in records]
    folder = Path(os.path.dirname(records[0].im_file)) if records else folder
    return Split(name, rows.source, folder, images, found, boxes, dataset.allow_empty, rows.faults(), network)


class RawBoxes(BoxFilter):
    """Takes the boxes of an annotation file as they are, instead of choosing among them."""

    def __init__(self, source: Path) -> None:
        super().__init__(source)
        self._rows: list[_Row] = []
        self.entry = self._refused = _Refused()

    def record(self, im_file: Path, im_id: int, size: Size | None, objects: Sequence[Object]) -> Record:
        """The Record of an image, without boxes: `boxes` has them."""
        self._rows += [(im_id, class_index, box, difficult) for class_index, box, difficult in objects]
        return make_record(im_file, im_id, size)

    def boxes(self, truth: GroundTruth | None) -> Boxes:
        """All boxes that were read, and the crowds, which formats with such a mark have in the truth alone."""
        rows = [(image, kind, box, difficult, False) for image, kind, box, difficult in self._rows]
        if truth:
            corners = np.hstack([truth.boxes[:, :2], truth.boxes[:, :2] + truth.boxes[:, 2:]])
            crowds = np.flatnonzero(truth.crowd)
            rows += [(int(truth.im_id[k]), int(truth.class_index[k]), corners[k].tolist(), 0, True) for k in crowds]
        return Boxes(
            corners=np.array([box for _, _, box, _, _ in rows], np.float64).reshape(-1, 4),
            image=np.array([image for image, _, _, _, _ in rows], np.int64),
            class_index=np.array([kind for _, kind, _, _, _ in rows], np.int64),
            crowd=np.array([crowd for _, _, _, _, crowd in rows], bool),
            difficult=np.array([difficult for _, _, _, difficult, _ in rows], bool),
            area=np.full(len(rows), np.nan),
        )

    def faults(self) -> dict[str, list[str]]:
        """The objects without boxes, such as points, the entries that the reader refused, the images without a file."""
        places = [f"{example} ({kind})" for kind, (count, example) in self.dropped.items() for _ in range(count)]
        refused = list(self._refused.messages)
        return {"objects_left_out": places, "entries_refused": refused, "files_without_labels": self.unlabeled}


class _Refused(AbstractContextManager[None]):
    """Notes the entries that a reader refuses, each once, and lets it go on."""

    def __init__(self) -> None:
        self.messages: dict[str, None] = {}

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, UserError):
            self.messages[str(error)] = None
        return isinstance(error, UserError)


def _relative(file: str, root: Path) -> str:
    return os.path.relpath(file, root) if Path(file).is_relative_to(root) else file
