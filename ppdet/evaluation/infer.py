"""Detecting and drawing on images that have no annotations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.loading.loader import Loader
from ppdet.data.ops.decode import read_in_time
from ppdet.data.structures import Sample
from ppdet.data.transforms.sample_transforms import Decode, with_image
from ppdet.deploy.detections import from_rows
from ppdet.deploy.files import write_bytes
from ppdet.deploy.images import list_images
from ppdet.deploy.labels import describe_undrawable
from ppdet.deploy.model_config import DRAW_THRESHOLD
from ppdet.deploy.outputs import encode_image, result_path
from ppdet.deploy.postprocess import Threshold, describe_threshold
from ppdet.evaluation.evaluator import detect
from ppdet.export.thresholds import threshold_entries
from ppdet.metrics.results import save_results
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session, class_categories, test_dataset

logger = logging.getLogger(__name__)
T = TypeVar("T")


def infer(
    session: Session,
    source: Path | str,
    output_dir: Path,
    threshold: float | Literal["model"],
    write_results: bool,
) -> bool:
    """Write each image of `source` (file or folder) with its boxes to `output_dir`, under its own name.

    Images of a folder that cannot be read or written are reported and skipped. The threshold "model" stands for the
    file `export.thresholds`, else for 0.5.

    Returns:
        Whether all images were read and written.

    Raises:
        UserError: the threshold is impossible, a single image cannot be read or written, or no image of the folder can
            be read.
    """
    if threshold != "model" and not 0 <= threshold <= 1:
        raise UserError(f"--draw_threshold: expected a score between 0 and 1, found {threshold}")
    listed = list_images(source)
    faults = Faults(source, len(listed))
    # others, as pipes, are named by the attempt to read them
    files = [file for file in listed if file.is_file() or faults.attempt(read_in_time, str(file)) is not None]
    if not files:
        return faults.end(0)
    pictures = [result_path(output_dir, file) for file in files]
    categories = class_categories(session)
    names = [category.name for category in categories]
    lowest = _model_threshold(session, names) if threshold == "model" else threshold
    if warning := describe_undrawable(names):
        logger.warning(warning)
    found = []
    with closing(_loader(session, files)) as loader:
        model = session.load_model()
        for im_id, detections in detect(model, loader.epoch(0), len(files)):
            image = faults.attempt(read_in_time, str(files[im_id]))
            if image is None:
                continue
            found.append((im_id, detections))
            picture, shown = pictures[im_id], from_rows(detections, names, lowest)
            drawn = faults.attempt(encode_image, picture, shown.plot(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)))
            if drawn is None:
                continue
            write_bytes(picture, drawn)
            logger.info("%s: %d boxes, %s", picture, len(shown), describe_threshold(lowest))
    if write_results and found:
        file_names = {i: file.name for i, file in enumerate(files)}
        save_results(output_dir / "bbox.json", found, categories, range(len(files)), file_names)
    return faults.end(len(found))


def _model_threshold(session: Session, names: Sequence[str]) -> Threshold:
    entries = threshold_entries(session, names)
    return np.array(entries["thresholds"], np.float32) if entries else DRAW_THRESHOLD


@dataclass
class Faults:
    """Counts and logs the images of `source` that could not be used. The error of a single image is raised."""

    source: Path | str
    images: int
    count: int = 0

    def attempt(self, function: Callable[..., T], *arguments: Any) -> T | None:
        """The function's result; None after a UserError."""
        try:
            return function(*arguments)
        except UserError as error:
            if self.images == 1:
                raise
            self.count += 1
            logger.error("%s", error)
            return None

    def end(self, used: int) -> bool:
        """Returns True if there were no faults. Raises UserError if none of the images could be used."""
        if not used:
            raise UserError(f"{self.source}: none of its {self.images} images can be read; see the lines above")
        if self.count:
            logger.error("%s: %d of %d images could not be read or written", self.source, self.count, self.images)
        return not self.count


@dataclass(frozen=True)
class _DecodeOrBlank:
    """Decode, with a black image for a file that cannot be read; drawing its boxes reports the file later."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        try:
            return Decode()(sample, rng)
        except UserError:
            return with_image(sample, np.zeros((1, 1, 3), np.uint8), (1, 1))


def _loader(session: Session, files: Sequence[Path]) -> Loader:
    dataset = test_dataset(session).with_images(files).load()
    reader = session.builder.build("TestReader")
    reader.worker_num = min(reader.worker_num, cpu_threads(), len(files) - 1)  # more would only take time to start
    reader.sample_transforms[0] = _DecodeOrBlank()
    loader: Loader = reader.bind(dataset)
    return loader
