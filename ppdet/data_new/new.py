"""Writes a config for a folder of images and labels, and lists of a split if the folder has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets.base import require_folder
from ppdet.data_edit.convert import write
from ppdet.data_edit.parts import Part
from ppdet.data_new.config_text import Plan, config_text
from ppdet.data_new.input_size import box_areas, reason, suggest_size
from ppdet.data_new.machine import Machine
from ppdet.data_new.models import SIZES, find_model, parse_model
from ppdet.data_new.splits import direct_slots, find_parts, list_slots
from ppdet.deploy.files import atomic_write
from ppdet.utils.json_file import UNFIT
from ppdet.utils.new_folder import require_new
from ppdet.utils.weight_files import read_arrays


@dataclass(frozen=True)
class Made:
    """The plan of the config that was written, the training and validation parts, and remarks for the user."""

    plan: Plan
    parts: Sequence[Part]
    remarks: list[str]


def make_config(
    folder: Path, model: str, config: Path, weights: Path | None, val: float | None, machine: Machine
) -> Made:
    """Writes a config, and lists beside it if they are needed. Nothing is written if something is wrong.

    Args:
        folder: the data set, in any format, which is not changed.
        model: the name of a model, with or without the size of its input.
        config: the file to write.
        weights: a file to start from, instead of the weights trained on COCO.
        val: the share of the images for validation, if the folder has no such split; None: 0.15.
        machine: the machine to train on.
    """
    name, size = parse_model(model)
    lists = config.with_name(f"{config.stem}_lists")
    _check_paths(folder, config, lists, weights)
    found = find_parts(folder, val)
    areas = box_areas(found.parts)
    suggested = suggest_size(areas, SIZES)
    chosen = size or suggested
    plan = Plan(
        stem=config.stem,
        origin=f"{folder}: taken for {found.format}",
        model=find_model(name, chosen),
        input_reason=f"{chosen} x {chosen} pixels; {reason(areas, chosen, suggested)}",
        weights=None if weights is None else str(weights),
        classes=found.parts[0].classes,
        slots=direct_slots(folder, found) if found.class_file else list_slots(lists, found.parts),
        num_images=len(found.parts[0].pictures),
        machine=machine,
    )
    remarks = list(found.remarks)
    with atomic_write(config) as file:
        file.write(config_text(plan))
        if found.class_file is None:
            require_new(lists, folder, "--output")
            remarks += write(lists, found.parts)
    return Made(plan, found.parts, remarks)


def _check_paths(folder: Path, config: Path, lists: Path, weights: Path | None) -> None:
    """Raise UserError if one of the paths cannot be used, before anything is read."""
    require_folder(folder, "images and labels", "check the path")
    if config.exists():
        raise UserError(f"--output: {config} exists already, and stays as it is; give another file")
    if config.suffix not in (".yml", ".yaml"):
        raise UserError(f"--output: {config} is no name of a config; expected one that ends in .yml")
    require_new(config, folder, "--output")
    require_new(lists, folder, "--output")
    for path in (folder, config, weights):
        if path and UNFIT.search(str(path)):
            raise UserError(f"{path}: has a name that no config can hold; rename it")
    if weights and not weights.is_file():
        raise UserError(f"--weights: {weights} is no file; expected weights (.pdparams)")
    if weights:
        read_arrays(weights)  # raises UserError if it cannot be used
