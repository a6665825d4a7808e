"""Datasets annotated in a plain CSV table: path, x1, y1, x2, y2, class."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.registry import register
from ppdet.data.datasets.base import Part
from ppdet.data.datasets.box_filter import BoxFilter
from ppdet.data.datasets.csv_table import Row, first_row, header, read_rows
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.label_list import class_name
from ppdet.data.datasets.layout import annotation_files, image_folder
from ppdet.data.datasets.named import NamedDataset, NamedImage, NamedObject
from ppdet.deploy.images import SUFFIXES

SIDES = ("x1", "y1", "x2", "y2")
COLUMNS = {
    "path": ("filename", "file_name", "image", "image_path", "img_path", "file"),
    "x1": ("xmin", "x_min", "left"),
    "y1": ("ymin", "y_min", "top"),
    "x2": ("xmax", "x_max", "right"),
    "y2": ("ymax", "y_max", "bottom"),
    "class": ("label", "name", "class_name", "category"),
}


@register
@dataclass(eq=False)
class CSVDataSet(NamedDataset):
    """Boxes in the table `dataset_dir`/`anno_path`, one in a row: path, x1, y1, x2, y2, class.

    A header may name the columns and put them in another order, as in the table of TensorFlow (filename, width, height,
    class, xmin, ymin, xmax, ymax). Coordinates are pixels. A row with a path only is an image without objects. Paths
    are relative to `dataset_dir`/`image_dir`, to the folder `images`, or to the table.
    """

    annotations = "the CSV table"
    remedy = "check dataset_dir, image_dir and anno_path; expected: a table with path, x1, y1, x2, y2, class"
    signs = "a CSV with path, x1, y1, x2, y2, class"

    @classmethod
    def parts(cls, root: Path) -> list[Part]:
        found = [(path, first_row(path)) for path in annotation_files(root, ".csv")]
        tables = [path for path, cells in found if _looks_like_boxes(cells)]
        return [_part(root, path) for path in tables]

    def _annotated(self, source: Path, box_filter: BoxFilter) -> tuple[list[NamedImage], list[str]]:
        by_path: dict[str, list[NamedObject]] = {}
        places: dict[str, str] = {}
        for row in read_rows(source, COLUMNS, list(COLUMNS), box_filter.entry):
            path = row.text("path")
            places.setdefault(path, row.place)
            objects = by_path.setdefault(path, [])
            with box_filter.entry:
                if any(row.text(name) for name in (*SIDES, "class")):
                    objects.append(_object(row))
        files = FileNames()
        return [NamedImage(self._find(files, path), None, each, places[path]) for path, each in by_path.items()], []


def _object(row: Row) -> NamedObject:
    return NamedObject(class_name(row.place, row.text("class")), [row.float(side) for side in SIDES])


def _looks_like_boxes(cells: list[str]) -> bool:
    is_row = len(cells) == len(COLUMNS) and cells[0].strip().lower().endswith(SUFFIXES)
    return is_row or len(header(cells, COLUMNS)) == len(COLUMNS)


def _part(root: Path, path: Path) -> Part:
    name = os.path.relpath(path, root)
    row = next(read_rows(path, COLUMNS, bare=list(COLUMNS)), None)
    images = image_folder(root, path, [row.text("path")] if row else [])
    return Part(name, {"anno_path": name, "image_dir": images or ""})
