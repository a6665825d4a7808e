"""Detecting and drawing on images that have no annotations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.datasets import (
    IMAGE_SUFFIXES,
    list_images,
)
from ppdet.data.loading.loader import Loader
from ppdet.data.ops.decode import read_in_time
from ppdet.data.structures import Sample
from ppdet.data.transforms.sample_transforms import Decode, with_image
from ppdet.deploy.labels import describe_undrawable
from ppdet.evaluation.evaluator import detect
from ppdet.metrics.results import save_results
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session, class_categories, test_dataset
from ppdet.utils.files import atomic_path
from ppdet.utils.visualise import draw_detections

logger = logging.getLogger(__name__)
T = TypeVar("T")


def infer(session: Session, source: Path | str, output_dir: Path, threshold: float, write_results: bool) -> bool:
    """Write each image of `source` (file or folder) with its boxes to `output_dir`, under its own name.

    Returns whether all could be read and written; those of a folder that could not are named and passed over. Raises
    UserError where there are no others.
    """
    if not 0 <= threshold <= 1:
        raise UserError(f"--draw_threshold: expected a score between 0 and 1, found {threshold}")
    listed = list_images(source)
    faults = Faults(source, len(listed))
    # others, as pipes, are named by the attempt to read them
    files = [file for file in listed if file.is_file() or faults.attempt(read_in_time, str(file)) is not None]
    if not files:
        return faults.end(0)
    pictures = [_picture(output_dir, file) for file in files]
    categories = class_categories(session)
    names = [category.name for category in categories]
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
            picture = pictures[im_id]
            drawn = faults.attempt(_encoded, picture, draw_detections(image, detections, names, threshold))
            if drawn is None:
                continue
            with atomic_path(picture) as temp:
                temp.write_bytes(drawn)
            shown = int((detections[:, 1] >= threshold).sum())
            logger.info("%s: %d boxes of score %.2f or more", picture, shown, threshold)
    if write_results and found:
        file_names = {i: file.name for i, file in enumerate(files)}
        save_results(output_dir / "bbox.json", found, categories, range(len(files)), file_names)
    return faults.end(len(found))


@dataclass
class Faults:
    """Counts and names the images of `source` that could not be used; that of a single image is raised."""

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
        """Whether there were none. Raises UserError where nothing could be used."""
        if not used:
            raise UserError(f"{self.source}: none of its {self.images} images can be read; see the lines above")
        if self.count:
            logger.error("%s: %d of %d images could not be read or written", self.source, self.count, self.images)
        return not self.count


@dataclass(frozen=True)
class _DecodeOrBlank:
    """Decode, and a black image for a file that cannot be read: it is named when its boxes are to be drawn."""

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


def _picture(output_dir: Path, file: Path) -> Path:
    """Where the picture of an image goes: under the same name, as PNG where OpenCV cannot write the format."""
    path = output_dir / (file.name if file.suffix.lower() in IMAGE_SUFFIXES else f"{file.name}.png")
    if path.exists() and path.samefile(file):
        raise UserError(f"--output_dir: {path} is the image itself and would be replaced; choose another folder")
    return path


def _encoded(path: Path, image_rgb: np.ndarray) -> bytes:
    height, width = image_rgb.shape[:2]
    try:
        ok, data = cv2.imencode(path.suffix, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
    except cv2.error:  # some formats give False
        ok = False
    if not ok:
        raise UserError(
            f"{path}: {width} x {height} pixels cannot be written as {path.suffix}; convert the image to PNG"
        )
    return bytes(data.tobytes())
