"""Scores of trained weights on images of the config's EvalDataset."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.doctor_bench.task import NotMeasured, Result, Task, open_task
from ppdet.doctor_bench.timing import Clock
from ppdet.evaluation.evaluator import detect
from ppdet.metrics import build_metric
from ppdet.metrics.results import ImageDetections
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.utils.download import PUBLISHED_WEIGHTS, resolve_weights


def measure_accuracy(task: Task) -> Result:
    """Detect on EvalDataset until the time is over, and score the images that were reached.

    Raises:
        NotMeasured: there are no weights.
        UserError: the weights or the images cannot be read.
    """
    settings = open_task(task).settings
    weights = choose_weights(task, settings.weights)
    session = open_task(task, f"weights={weights}")
    dataset = session.load_annotated("EvalDataset", session.trained_classes())
    reader, total = session.builder.build("EvalReader"), len(dataset)
    reader.worker_num = min(reader.worker_num, cpu_threads())  # as in an evaluation
    model = session.load_model()
    with closing(reader.bind(dataset)) as loader, closing(loader.epoch(0)) as batches:
        found = until(task.seconds, detect(model, batches, total, reader.batch_size))
    reached = {im_id for im_id, _ in found}
    dataset.records = [record for record in dataset.records if record.im_id in reached]
    metric = build_metric(settings.metric, dataset, settings.map_type)
    for im_id, rows in found:
        metric.update(im_id, rows)
    score = metric.compute()[metric.primary]
    images = f"all {total} images" if len(found) == total else f"{len(found)} of {total} images"
    truth = "" if metric.has_truth() else ", which have no objects: the score means nothing"
    text = f"{metric.primary} {score:.4f}, weights {resolve_weights(weights).name}, {images} of EvalDataset{truth}"
    return Result([(task.title, text)], {"score": score, "images": len(found)})


def choose_weights(task: Task, configured: str | None) -> str:
    """Returns the weights: those of `-o weights=…`, else the config's own, else the published ones of its name.

    Raises:
        NotMeasured: says how to give weights.
    """
    given = any(override.startswith("weights=") for override in task.overrides)
    if configured and (given or not _why_missing(configured)):  # published configs name a file that training writes
        return configured
    published = Path(task.config).stem
    if published not in PUBLISHED_WEIGHTS:
        raise NotMeasured(f"{published} has no published weights; give -o weights=<file, name or URL>")
    if reason := _why_missing(published):
        raise NotMeasured(f"{reason}; or give -o weights=<file>")
    return published


def _why_missing(weights: str) -> str:
    """Returns why the weights cannot be had, or an empty string."""
    try:
        resolve_weights(weights)
    except UserError as error:
        return str(error)
    return ""


def until(
    seconds: float, detections: Iterable[ImageDetections], clock: Clock = time.perf_counter
) -> list[ImageDetections]:
    """The first of `detections`, and those that come within `seconds` after it."""
    start, found = math.inf, []
    for each in detections:
        found.append(each)
        start = min(start, clock())  # making the inference graph does not count
        if clock() - start >= seconds:
            break
    return found
