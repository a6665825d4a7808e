"""Detecting and drawing on images that have no annotations."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2

from ppdet.core.errors import UserError
from ppdet.data.datasets import Category, check_num_classes, default_categories, list_images
from ppdet.data.decode import read_image
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
    categories = class_categories(run)
    names = [category.name for category in categories]
    dataset = run.builder.build(run.cfg["TestDataset"], path="TestDataset").with_images(files).load()
    loader = run.builder.build("TestReader").bind(dataset)
    model = run.load_model()
    found = []
    for batch in loader.epoch(0):
        for im_id, detections in detect(model, batch):
            file = files[im_id]
            with atomic_path(output_dir / file.name) as temp:
                _write_image(temp, draw_detections(read_image(str(file)), detections, names, threshold))
            shown = int((detections[:, 1] >= threshold).sum())
            logger.info("%s: %d boxes of score %.2f or more", output_dir / file.name, shown, threshold)
            found.append((im_id, detections))
    if write_results:
        save_results(output_dir / "bbox.json", found, categories, {i: file.name for i, file in enumerate(files)})


def class_categories(run: Run) -> list[Category]:
    """The classes as TestDataset names them, else EvalDataset, else COCO's names or numbers."""
    dataset = run.builder.build(run.cfg["TestDataset"], path="TestDataset")
    categories = dataset.with_images(["-"]).load().categories
    if not categories and "EvalDataset" in run.cfg:
        try:
            dataset = run.builder.build(run.cfg["EvalDataset"], path="EvalDataset").load()
            categories = dataset.categories
        except UserError as error:
            logger.info("class names: none in TestDataset, and EvalDataset cannot be read (%s)", error)
    if not categories:
        return default_categories(run.settings.num_classes)
    check_num_classes(dataset, run.settings.num_classes)
    return categories


def _write_image(path: Path, image_rgb) -> None:
    suffix = path.suffix if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp", ".webp") else ".png"
    ok, data = cv2.imencode(suffix, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
    if not ok:
        raise UserError(f"{path}: the picture cannot be encoded as {suffix}")
    path.write_bytes(data.tobytes())
