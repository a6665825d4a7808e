"""The whole search: detect on a split, rank what contradicts its labels, write the files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ppdet.data.datasets import Category
from ppdet.data_edit.read import read_part
from ppdet.deploy.files import write_bytes
from ppdet.deploy.outputs import encode_image
from ppdet.metrics.label_errors import KINDS
from ppdet.session import Session
from ppdet.suspects.detect import detect_all
from ppdet.suspects.findings import Finding, find
from ppdet.suspects.sheets import caption, sheets
from ppdet.suspects.tables import write_coco, write_csv
from ppdet.utils.new_folder import new_folder

logger = logging.getLogger(__name__)

SLOTS = {"train": "TrainDataset", "val": "EvalDataset"}  # by the name of the split
_FIRST = 5  # findings in the log


def search(session: Session, split: str, folder: Path, least: float, pictures: int) -> None:
    """Writes the findings on a split to a new folder, and logs their numbers.

    Args:
        session: the run; its `weights` are searched with.
        split: a key of SLOTS.
        folder: gets suspects.csv, suspects.json and pages of pictures, as missing_1.png.
        least: findings have to be more certain than this, 0..1.
        pictures: the number of findings of each kind on the pages.

    Raises:
        UserError: the folder cannot be written, the dataset or the weights cannot be read.
    """
    # an image may have objects though it has no label at all
    dataset = session.load_annotated(SLOTS[split], session.trained_classes(), without_boxes=True)
    part, detections = read_part(split, dataset), detect_all(session, dataset)
    findings = find(part, dataset.categories, dataset.image_ids, detections, least)
    with new_folder(folder, "--output") as temp:
        write(temp, findings, dataset.categories, pictures)
    counts = Counter(each.kind for each in findings)
    listed = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
    logger.info("%s: %d images searched: %s", folder, len(dataset), listed)
    for each in findings[:_FIRST]:
        logger.info("%s: %s", each.picture.name, caption(each))


def write(folder: Path, findings: Sequence[Finding], categories: Sequence[Category], pictures: int) -> None:
    """Writes the files into a folder."""
    write_csv(folder / "suspects.csv", findings)
    write_coco(folder / "suspects.json", findings, categories)
    for kind in KINDS:
        first = [each for each in findings if each.kind == kind][:pictures]
        for number, page in enumerate(sheets(first), 1):
            file = folder / f"{kind}_{number}.png"
            write_bytes(file, encode_image(file, page))
