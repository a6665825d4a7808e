"""Detecting and drawing on images that have no annotations."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.datasets import (
    IMAGE_SUFFIXES,
    Category,
    Dataset,
    ImageFolder,
    check_num_classes,
    default_categories,
    list_images,
)
from ppdet.data.decode import read_image
from ppdet.engine.cpu_tuning import cpu_threads
from ppdet.engine.evaluate import detect
from ppdet.engine.run import Run
from ppdet.metrics.results import save_results
from ppdet.utils.files import atomic_path
from ppdet.utils.visualise import draw_detections

logger = logging.getLogger(__name__)


def infer(run: Run, source: Path, output_dir: Path, threshold: float, write_results: bool) -> None:
    """Write each image of `source` (file or folder) with its boxes to `output_dir`, under its own name."""
    if not 0 <= threshold <= 1:
        raise UserError(f"--draw_threshold: expected a score between 0 and 1, found {threshold}")
    files = list_images(source)
    pictures = [_picture(output_dir, file) for file in files]
    categories = class_categories(run)
    names = [category.name for category in categories]
    dataset = _test_dataset(run).with_images(files).load()
    reader = run.builder.build("TestReader")
    reader.worker_num = min(reader.worker_num, cpu_threads(), len(files) - 1)  # more would only take time to start
    loader = reader.bind(dataset)
    model = run.load_model()
    found = []
    with closing(loader):
        for im_id, detections in detect(model, loader.epoch(0), len(files)):
            image = read_image(str(files[im_id]))
            with atomic_path(pictures[im_id]) as temp:
                _write_image(temp, draw_detections(image, detections, names, threshold))
            shown = int((detections[:, 1] >= threshold).sum())
            logger.info("%s: %d boxes of score %.2f or more", pictures[im_id], shown, threshold)
            found.append((im_id, detections))
    if write_results:
        names_by_id = {im_id: file.name for im_id, file in enumerate(files)}
        save_results(output_dir / "bbox.json", found, categories, dataset.image_ids, names_by_id)


def class_categories(run: Run) -> list[Category]:
    """The classes as TestDataset names them, else the training, else EvalDataset, else COCO's names or numbers."""
    dataset: Dataset = _test_dataset(run).with_images(["-"]).load()
    categories, trained = dataset.categories, run.trained_classes()
    if trained and not categories:
        return list(trained.categories)
    if not categories and "EvalDataset" in run.cfg:
        try:
            dataset = run.build_dataset("EvalDataset").load()
            categories = dataset.categories
        except UserError as error:
            logger.info("class names: none in TestDataset, and EvalDataset cannot be read (%s)", error)
    if not categories:
        return default_categories(run.settings.num_classes)
    check_num_classes(dataset, run.settings.num_classes)
    if trained:
        trained.check("TestDataset", categories)
    return categories


def _test_dataset(run: Run) -> ImageFolder:
    dataset = run.build_dataset("TestDataset")
    if not isinstance(dataset, ImageFolder):
        raise UserError(f"TestDataset: found {type(dataset).__name__}; expected ImageFolder")
    return dataset


def _picture(output_dir: Path, file: Path) -> Path:
    """Where the picture of an image goes: under the same name, as PNG where OpenCV cannot write the format."""
    path = output_dir / (file.name if file.suffix.lower() in IMAGE_SUFFIXES else f"{file.name}.png")
    if path.exists() and path.samefile(file):
        raise UserError(f"--output_dir: {path} is the image itself and would be replaced; choose another folder")
    return path


def _write_image(path: Path, image_rgb: np.ndarray) -> None:
    _, data = cv2.imencode(path.suffix, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
    path.write_bytes(data.tobytes())
