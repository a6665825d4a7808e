"""Datasets annotated in the JSON export of Label Studio."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ppdet.core.errors import UserError
from ppdet.core.registry import register
from ppdet.data.datasets.base import Part
from ppdet.data.datasets.box_filter import BoxFilter, Size
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.label_studio_shapes import image_size_of, objects_of
from ppdet.data.datasets.layout import annotation_files, image_folder, matches
from ppdet.data.datasets.named import NamedDataset, NamedImage, NamedObject
from ppdet.deploy.images import SUFFIXES
from ppdet.utils.json_file import Entry, entries, read_json

logger = logging.getLogger(__name__)

_RESULTS = ("annotations", "completions")  # the second in old exports
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the names of uploaded files
_IMAGE = rb'"((?:[^"\\]|\\.)*\.(?:jpe?g|png|bmp|webp|tiff?))"'


@register
@dataclass(eq=False)
class LabelStudioDataSet(NamedDataset):
    """Images annotated in `dataset_dir`/`anno_path`, the JSON export of Label Studio.

    Images are looked for by the names they were imported under, in `dataset_dir`/`image_dir`, in the folder `images`,
    or beside the export. Turned rectangles, polygons and ellipses become the boxes around them. Of several annotations
    of an image the ground truth is taken, else the first that was not skipped; images without one are left out.
    """

    annotations = "Label Studio's JSON export"
    remedy = "check dataset_dir, image_dir and anno_path; expected: the file that Label Studio exports as JSON"
    signs = "a JSON list of tasks with data and annotations (Label Studio)"

    @classmethod
    def parts(cls, root: Path) -> list[Part]:
        found = []
        for path in annotation_files(root, ".json"):
            *keys, image = matches(path, rb"^\W*\[", rb'"data"\s*:', rb'"result"\s*:', _IMAGE)
            if all(keys):
                name = os.path.relpath(path, root)
                images = image_folder(root, path, file_names(json.loads(b'"%s"' % image)) if image else [])
                found.append(Part(name, {"anno_path": name, "image_dir": images or ""}))
        return found

    def _annotated(self, source: Path, box_filter: BoxFilter) -> tuple[list[NamedImage], list[str]]:
        tasks = read_json(source)
        if not isinstance(tasks, list) or not all(isinstance(each, dict) and "data" in each for each in tasks):
            raise UserError(f"{source}: is no list of tasks with data; {self.remedy} (not JSON-MIN)")
        files, several, images = FileNames(), 0, []
        for entry in entries(source, "tasks", tasks):
            with box_filter.entry:
                annotations = list(_annotations(entry))
                several += len(annotations) > 1
                if annotations:
                    images.append(self._image(entry, _chosen(annotations), files, box_filter))
        if several:
            logger.info("%s: %d images have several annotations; one of each is taken", source, several)
        return images, []

    def _image(self, task: Entry, annotation: Entry, files: FileNames, box_filter: BoxFilter) -> NamedImage:
        results = annotation.values.get("result")
        if not isinstance(results, list):
            raise annotation.wrong("result", "a list; correct the export")
        items = list(entries(task.path, f"{annotation.place}.result", results))
        size: Size | None = next(filter(None, map(image_size_of, items)), None)
        file, place = self._find(files, *file_names(_image_name(task))), f"{task.path}: {task.place}"
        objects = [NamedObject(name, box) for name, box in objects_of(items, size, box_filter)]
        return NamedImage(file, size, objects, place)


def file_names(text: str) -> list[str]:
    """The names that an image may have on disk, by its path, address or storage key in a task."""
    address = urlsplit(text)
    query = parse_qs(address.query).get("d")  # /data/local-files/?d=folder/a.jpg
    path = query[0] if query else unquote(address.path)
    paths = [each.lstrip("/").removeprefix("data/upload/") for each in (path, text)]  # a path may have #, ? or %
    names = [(each, name, _UPLOAD.sub("", name)) for each in paths for name in [each.rpartition("/")[2]]]
    return list(dict.fromkeys(chain(*names)))


def _image_name(task: Entry) -> str:
    data = task.values["data"]
    texts = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
    found = [text for text in texts if any(name.lower().endswith(SUFFIXES) for name in file_names(text))]
    if not found:
        raise task.wrong("data", "the path of an image; correct the export")
    return found[0]


def _annotations(task: Entry) -> Iterator[Entry]:
    """The annotations of a task that were not skipped."""
    key = next((key for key in _RESULTS if isinstance(task.values.get(key), list)), "")
    for annotation in entries(task.path, f"{task.place}.{key}", task.values[key] if key else []):
        if not annotation.values.get("was_cancelled"):
            yield annotation


def _chosen(annotations: list[Entry]) -> Entry:
    truths: list[Any] = [each for each in annotations if each.values.get("ground_truth") is True]
    return (truths or annotations)[0]
