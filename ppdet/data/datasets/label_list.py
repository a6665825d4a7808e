"""Base of the datasets whose annotations give the classes by name, in no order of their own."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets.base import AnnotatedDataset, read_names, require_file

logger = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(eq=False)
class LabelListDataset(AnnotatedDataset):
    """A dataset whose annotations give the classes by name.

    Attributes:
        label_list: the file of class names, one per line, in dataset_dir; label_list.txt if there is one.
    """

    label_list: str | None = None

    @property
    def class_file(self) -> Path | None:
        return self._label_file or self.anno_file

    @property
    def _label_file(self) -> Path | None:
        path = self.root / (self.label_list or "label_list.txt")
        return path if self.label_list or path.is_file() else None

    def _names(self, source: Path, own: Sequence[str], find: Callable[[], list[str]]) -> list[str]:
        """The class names, from the first source that exists: label_list (or label_list.txt), the annotations' `own`
        list, the expected classes, or those that `find` finds.
        """
        if path := self._label_file:
            require_file(path, "label_list, the class names", "correct or drop label_list")
            return read_names(path)
        if own or self.expected_classes:
            return list(own or self.expected_classes)
        names = find()
        logger.info("%s: %d classes found: %s", source, len(names), ", ".join(names))
        return names

    def _index(self, name: str, class_index: Mapping[str, int], place: object) -> int:
        if name in class_index:
            return class_index[name]
        where = "in the label list" if self._label_file else "among the classes of the training"
        known = ", ".join(list(class_index)[:10])
        raise UserError(f"{place}: class {name!r} is not {where} ({known}); add it there or correct the annotation")


def class_name(place: object, text: str | None) -> str:
    """The name on one line, with composed accents. Raises UserError if it is empty or cannot be printed."""
    name = re.sub(r"\s*[\n\r\t]\s*", " ", unicodedata.normalize("NFC", text or "").strip())  # as in label lists
    if not name:
        raise UserError(f"{place}: an object has no name; correct the file or remove its image")
    if _CONTROL.search(name):
        raise UserError(f"{place}: the class name {name!r} holds control characters; correct it")
    return name
