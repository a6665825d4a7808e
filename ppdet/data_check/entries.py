"""Faults of the entries in an annotation file, which the reader of the file notes by kind."""

from __future__ import annotations

from dataclasses import replace

from ppdet.data_check.finding import Finding, Severity, found
from ppdet.data_check.split import Split

# by kind: the severity, what the entries are, and what to do
FAULTS: dict[str, tuple[Severity, str, str]] = {
    "images_incomplete": (
        "error",
        "entries of images have no usable id or file_name",
        "complete or remove them; training refuses the file",
    ),
    "image_ids_repeated": (
        "error",
        "images have the id of another image",
        "give each image an id of its own; training refuses the file",
    ),
    "images_listed_twice": ("info", "images are listed again with the same id", "nothing to do; they count once"),
    "image_ids_of_two_kinds": (
        "warning",
        "images have a text as id, and others a number",
        "write all ids as numbers; other tools match them by type",
    ),
    "images_without_size": (
        "info",
        "images have no width and height in the annotations",
        "nothing to do here; other tools need them",
    ),
    "names_spelled_otherwise": (
        "info",
        "file names are spelled otherwise than the files (backslashes, %20, accents)",
        "nothing to do here; other tools need the exact names",
    ),
    "categories_incomplete": (
        "error",
        "categories have no usable id or name",
        "complete or remove them; training refuses the file",
    ),
    "category_ids_repeated": (
        "error",
        "categories have the id of another category",
        "give each category an id of its own; training refuses the file",
    ),
    "annotations_incomplete": (
        "error",
        "annotations have no usable image_id or category_id",
        "complete or remove them; training refuses the file",
    ),
    "annotations_without_image": (
        "error",
        "annotations belong to an image that is not listed",
        "list the image or remove them; training refuses the file",
    ),
    "annotations_without_class": (
        "error",
        "annotations have a category_id that is not listed",
        "list the category or remove them; training refuses the file",
    ),
    "annotation_ids_repeated": (
        "warning",
        "annotations have the id of another one",
        "renumber them; other tools, such as pycocotools, keep only the last",
    ),
    "entries_refused": (
        "error",
        "labels, lines or files of the annotations cannot be used",
        "correct them, as each line says; training stops at the first",
    ),
    "files_without_labels": (
        "warning",
        "listed images have no annotation file",
        "fetch the files again, unless nothing is to be seen in these images",
    ),
    "objects_left_out": (
        "warning",
        "objects have no box, such as points, lines and those of images that cannot be read",
        "draw boxes or outlines for them; they are left out",
    ),
}


def entry_findings(split: Split) -> list[Finding]:
    """One finding for each kind of fault."""
    findings = []
    for name, (severity, what, advice) in FAULTS.items():
        if finding := found(severity, what, split.faults.get(name, ()), advice):
            findings.append(replace(finding, name=name, split=split.name))
    return findings
