"""Detections of a config's model on one of its datasets, beside the labels."""

from __future__ import annotations

from contextlib import closing

import numpy as np
from tqdm import tqdm

from ppdet.data.datasets import Dataset
from ppdet.evaluation.evaluator import detect
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session


def detect_all(session: Session, dataset: Dataset) -> dict[int, np.ndarray]:
    """Returns the detections [n, 6] of each image, by im_id, as evaluation finds them. Shows a progress bar.

    The columns are class, score, x1, y1, x2, y2 in pixels of the image.
    """
    reader = session.builder.build("EvalReader")
    reader.worker_num = min(reader.worker_num, cpu_threads())
    with closing(reader.bind(dataset)) as loader, closing(loader.epoch(0)) as batches:
        model = session.load_model()
        found = detect(model, batches, len(dataset), reader.batch_size)
        return dict(tqdm(found, total=len(dataset), desc="detect", unit="image", leave=False, disable=None))
