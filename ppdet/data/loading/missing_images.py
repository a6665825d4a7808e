"""Images of a dataset that have no file."""

from __future__ import annotations

import logging

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.data.datasets.file_names import describe_missing, missing_files
from ppdet.data.loading.batch_builder import tolerated_failures

logger = logging.getLogger(__name__)


def missing_images(dataset: Dataset, tolerate: bool) -> list[int]:
    """The positions of the images that have no file.

    tolerate: as in training, a few are left out, with a warning that names them.

    Raises:
        UserError: there are some, or too many.
    """
    missing = missing_files([record.im_file for record in dataset.records])
    if not missing:
        return []
    files, total = [dataset.records[index].im_file for index in missing], len(dataset)
    fault, count = describe_missing(files[0]), f"{len(files)} of {total}"
    if not tolerate:
        raise UserError(f"{fault} ({count} images are missing)" if files[1:] else fault)
    if len(files) > tolerated_failures(total):
        raise UserError(f"{fault} ({count} images are unreadable, more than 1 %)")
    others = f"images left out, also {', '.join(files[1:4])}" if files[1:] else "image left out"
    logger.warning("%s (%s; %s are unreadable so far)", fault, others, count)
    return missing
