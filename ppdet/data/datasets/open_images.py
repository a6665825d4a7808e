"""Datasets annotated in the CSV tables of Open Images."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.registry import register
from ppdet.data.datasets.base import Part, read_lines
from ppdet.data.datasets.box_filter import BoxFilter
from ppdet.data.datasets.csv_table import first_row, header, read_rows
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.label_list import class_name
from ppdet.data.datasets.layout import annotation_files, image_folder
from ppdet.data.datasets.named import NamedDataset, NamedImage, NamedObject

SIDES = ("XMin", "YMin", "XMax", "YMax")
COLUMNS: Mapping[str, tuple[str, ...]] = dict.fromkeys(("ImageID", "LabelName", *SIDES, "IsGroupOf"), ())
_SUFFIXES = (".jpg", ".jpeg", ".png")


@register
@dataclass(eq=False)
class OpenImagesDataSet(NamedDataset):
    """Images in `dataset_dir`/`image_dir` (<ImageID>.jpg), with boxes in the table `dataset_dir`/`anno_path`.

    The table is Open Images' `…-annotations-bbox.csv`. A file `*class-descriptions*.csv` beside it, or in dataset_dir,
    gives the classes their names. Groups (IsGroupOf) are left out of training and are regions to ignore in evaluation.
    """

    annotations = "Open Images' table of boxes"
    remedy = "check dataset_dir, image_dir and anno_path; expected: a table with ImageID, LabelName, XMin, …"
    signs = "a CSV with ImageID, LabelName, XMin (Open Images)"

    @classmethod
    def parts(cls, root: Path) -> list[Part]:
        return [
            _part(root, path)
            for path in annotation_files(root, ".csv")
            if len(header(first_row(path), COLUMNS)) == len(COLUMNS)
        ]

    def _annotated(self, source: Path, box_filter: BoxFilter) -> tuple[list[NamedImage], list[str]]:
        box_filter.crowd_reason = "IsGroupOf: 1"
        names = _descriptions(self.root, source.parent)
        by_image: dict[str, list[NamedObject]] = {}
        for row in read_rows(source, COLUMNS, entry=box_filter.entry):
            label = row.text("LabelName")
            group = row.text("IsGroupOf") == "1"
            objects = by_image.setdefault(row.text("ImageID"), [])
            with box_filter.entry:
                name = names.get(label) or class_name(row.place, label)
                objects.append(NamedObject(name, [row.float(side) for side in SIDES], group))
        files = FileNames()
        images = [
            NamedImage(self._find(files, *_file_names(name)), None, objects, str(source), fractions=True)
            for name, objects in by_image.items()
        ]
        return images, []


def _file_names(image: str) -> list[str]:
    return [f"{image}{suffix}" for suffix in _SUFFIXES]


def _descriptions(*folders: Path) -> dict[str, str]:
    """The names of the classes by their ids (`/m/011k07`)."""
    files = [path for folder in dict.fromkeys(folders) for path in sorted(folder.glob("*class-descriptions*.csv"))]
    rows = csv.reader(read_lines(files[0]) if files else [])
    return {row[0]: class_name(files[0], row[1]) for row in rows if len(row) == 2 and row[0].startswith("/")}


def _part(root: Path, path: Path) -> Part:
    name = os.path.relpath(path, root)
    row = next(read_rows(path, COLUMNS), None)
    images = image_folder(root, path, _file_names(row.text("ImageID")) if row else [])
    return Part(name, {"anno_path": name, "image_dir": images or ""})
