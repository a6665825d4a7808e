"""The training and validation images of a folder: its own splits, or new ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet, Dataset, YOLODataSet
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_edit.align import in_two_splits, same_classes
from ppdet.data_edit.parts import Part
from ppdet.data_edit.read import read_part
from ppdet.data_edit.split import boxes_by_class, split_part
from ppdet.data_new.config_text import Slot

_VAL = 0.15
_SEED = 0
_OWN = ("train", "val")


@dataclass(frozen=True)
class Found:
    """The data of a folder.

    Attributes:
        format: the class of its datasets.
        parts: for training and for validation, with one list of classes.
        class_file: the file that names the classes if the config can read the folder as it is; None: it needs lists.
        remarks: what the user should know.
    """

    format: str
    parts: Sequence[Part]
    class_file: Path | None
    remarks: list[str]


def find_parts(folder: Path, val: float | None) -> Found:
    """Reads the folder. If it has no split for validation, the share `val` of the images is chosen for it."""
    datasets, _ = datasets_of(folder, (), None)
    kind = type(next(iter(datasets.values()))).__name__
    own = all(name in datasets for name in _OWN)
    names = _OWN if own else ("train",) if "train" in datasets else tuple(datasets)
    read = [read_part(name, datasets[name]) for name in names]
    remarks = [f"the split {name} of the folder is not used" for name in datasets if name not in names]
    parts = same_classes(read)
    class_file = _class_file(datasets["train"]) if own and read[0].classes == read[1].classes else None
    if own and val is not None:
        raise UserError(f"--val: {folder} has a validation split of its own; leave the option out")
    if not own:
        share = val or _VAL
        parts, more = split_part(parts, {"train": 1 - share, "val": share}, None, _SEED)
        remarks = [*remarks, f"the folder has no validation split: {share:.0%} of the images were chosen", *more]
    remarks += in_two_splits(parts)
    if empty := _count_empty(parts[0]):
        remarks.append(f"{empty} images for training have no boxes: the model learns from them as background")
    for part in parts:
        if not any(boxes_by_class(part).values()):
            raise UserError(f"{folder}: no image for {part.name} has a box; label some, or give other splits")
    return Found(kind, parts, class_file, remarks)


def direct_slots(folder: Path, found: Found) -> dict[str, Slot]:
    """The datasets of a config that reads the folder as it is."""
    assert found.class_file is not None
    root: dict[str, object] = {"dataset_dir": str(folder)}
    options = {name: root | {"split": name} for name in _OWN}
    return _slots("AutoDataset", found.parts, options, root | {"anno_path": os.path.relpath(found.class_file, folder)})


def list_slots(lists: Path, parts: Sequence[Part]) -> dict[str, Slot]:
    """The datasets of a config that reads the lists which `write` puts into the folder `lists`."""
    options: dict[str, dict[str, object]]
    options = {name: {"dataset_dir": str(lists), "anno_path": f"{name}.json"} for name in _OWN}
    return _slots("COCODataSet", parts, options, options["val"])


def _slots(
    name: str, parts: Sequence[Part], options: Mapping[str, dict[str, object]], names: dict[str, object]
) -> dict[str, Slot]:
    train, val = parts
    empty = _count_empty(train)
    comment = f"{len(train.pictures)} images" + (f", {empty} of them without boxes" if empty else "")
    return {
        "TrainDataset": Slot(name, options["train"] | ({"allow_empty": True} if empty else {}), comment),
        "EvalDataset": Slot(name, options["val"] | {"allow_empty": True}, f"{len(val.pictures)} images"),
        "TestDataset": Slot("ImageFolder", names, "for the names of the classes"),
    }


def _count_empty(part: Part) -> int:
    return sum(all(each.crowd or each.box is None for each in picture.objects) for picture in part.pictures)


def _class_file(dataset: Dataset) -> Path | None:
    """The file from which ImageFolder can read the classes of a dataset; None if there is none."""
    own = isinstance(dataset, (COCODataSet, YOLODataSet)) or dataset.class_file != dataset.anno_file
    return dataset.class_file if own else None
