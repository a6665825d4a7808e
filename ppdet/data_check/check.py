"""The list of all checks, and their run over the splits of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ppdet.data_check import boxes, classes, copies, files, images, overlaps
from ppdet.data_check import splits as across
from ppdet.data_check.entries import FAULTS, entry_findings
from ppdet.data_check.finding import Finding
from ppdet.data_check.pixels import inspect_all
from ppdet.data_check.split import Split

# The name of a check is the name of what it finds.
OF_A_SPLIT: list[Callable[[Split], Finding | None]] = [
    across.split_without_boxes,
    across.split_small,
    files.files_missing,
    files.files_listed_twice,
    files.files_empty,
    files.files_truncated,
    files.files_unreadable,
    files.files_misnamed,
    images.sizes_swapped,
    images.sizes_wrong,
    images.images_turned,
    images.images_cmyk,
    images.images_16_bit,
    images.images_with_palette,
    images.images_with_alpha,
    images.images_gray,
    images.images_tiny,
    images.images_large,
    images.images_squeezed,
    images.images_of_one_size,
    images.images_blank,
    images.images_without_boxes,
    overlaps.images_with_many_boxes,
    copies.images_copied,
    copies.images_nearly_copied,
    classes.class_names_empty,
    classes.class_names_repeated,
    classes.class_names_alike,
    classes.class_names_with_blanks,
    classes.classes_of_background,
    classes.classes_of_the_config,
    classes.classes_without_boxes,
    classes.classes_with_few_images,
    classes.classes_out_of_balance,
    boxes.boxes_normalized,
    boxes.boxes_as_xyxy,
    boxes.boxes_not_numbers,
    boxes.boxes_swapped,
    boxes.boxes_without_size,
    boxes.boxes_without_area,
    boxes.boxes_outside,
    boxes.boxes_partly_outside,
    boxes.boxes_tiny,
    boxes.boxes_small_for_the_input,
    boxes.boxes_extreme,
    boxes.boxes_of_whole_images,
    boxes.boxes_of_crowds,
    boxes.boxes_difficult,
    overlaps.boxes_repeated,
    overlaps.boxes_nearly_repeated,
    overlaps.boxes_of_two_classes,
]
OF_ALL_SPLITS: list[Callable[[Sequence[Split]], Finding | None]] = [
    files.files_unreferenced,
    copies.files_in_two_splits,
    copies.images_copied_across,
    copies.images_nearly_copied_across,
    across.classes_differ,
    across.classes_in_another_order,
    across.category_ids_differ,
    across.classes_never_trained,
]
KINDS = [*FAULTS, *(check.__name__ for check in OF_A_SPLIT), *(check.__name__ for check in OF_ALL_SPLITS)]
_ORDER = ("error", "warning", "info")


def with_pixels(splits: Sequence[Split]) -> list[Split]:
    """The splits with what their image files hold. Each file is read once."""
    files_of_all = list(dict.fromkeys(image.file for split in splits for image in split.images))
    pixels = dict(zip(files_of_all, inspect_all(files_of_all), strict=True))
    return [replace(split, pixels=[pixels[image.file] for image in split.images]) for split in splits]


def check_splits(splits: Sequence[Split]) -> list[Finding]:
    """All findings, errors first. The splits need their `pixels`."""
    findings = []
    for split in splits:
        findings += entry_findings(split)
        for check in OF_A_SPLIT:
            if finding := check(split):
                findings.append(replace(finding, name=check.__name__, split=split.name))
    names = " + ".join(split.name for split in splits)
    for check_all in OF_ALL_SPLITS:
        if finding := check_all(splits):
            findings.append(replace(finding, name=check_all.__name__, split=names))
    return sorted(findings, key=lambda finding: _ORDER.index(finding.severity))
