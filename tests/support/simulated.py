"""Simulated detectors: a population of images of which any number can be drawn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from ppdet.metrics.analysis.found import flatten_found
from ppdet.metrics.analysis.matching import Case, pair_up
from ppdet.metrics.analysis.rules import COCO
from ppdet.metrics.analysis.truth import flatten_truth

CLASSES = 3


def simulate(rng: np.random.Generator, images: int, skill: float = 0.8) -> Case:
    """Draws images and what a detector finds on them.

    Images differ in how many objects they have and in how hard they are, so that detections of one image are alike.
    Objects are in cells of a grid. `skill` is the mean share of objects that are found.
    """
    objects, hard = rng.poisson(3, images) + (rng.random(images) < 0.7), rng.normal(0, 1, images)
    owner = np.repeat(np.arange(images), objects)
    cell = np.arange(len(owner)) - np.repeat(np.cumsum(objects) - objects, objects)
    side = np.exp(rng.normal(4, 0.9, (len(owner), 2))).clip(4, 400)
    boxes = np.concatenate([500.0 * np.stack([cell, np.zeros_like(cell)], 1), side], axis=1)
    classes = rng.choice(CLASSES, len(owner), p=[0.6, 0.3, 0.1])

    seen = rng.random(len(owner)) < skill - 0.12 * hard[owner] + 0.05 * np.log(side.prod(1) / 3000)
    shift = 0.08 * np.exp(0.4 * rng.normal(size=(len(owner), 1))) * rng.normal(size=(len(owner), 4)) * np.tile(side, 2)
    found, named = (boxes + shift)[seen], classes[seen]
    named = np.where(rng.random(len(named)) < 0.08, rng.integers(0, CLASSES, len(named)), named)
    stray = rng.poisson(2.5 * np.exp(0.5 * hard))
    stray_owner = np.repeat(np.arange(images), stray)
    away = rng.uniform(600, 5000, (len(stray_owner), 2))
    away = np.concatenate([away, np.exp(rng.normal(4, 0.9, away.shape))], axis=1)
    owners = np.concatenate([owner[seen], stray_owner])
    logit = np.concatenate([rng.normal(1.2 - 0.5 * hard[owner[seen]], 1.2), rng.normal(-1.2, 1.3, len(stray_owner))])
    rows = np.concatenate([found, away])
    rows[:, 2:] = rows[:, :2] + np.abs(rows[:, 2:])
    names = np.concatenate([named, rng.integers(0, CLASSES, len(stray_owner))])
    table = np.column_stack([names, 1 / (1 + np.exp(-logit)), rows])
    order = np.argsort(owners, kind="stable")
    parts = np.split(table[order], np.searchsorted(owners[order], np.arange(1, images)))
    return _case(images, owner, classes, boxes, list(enumerate(parts)))


def _case(images: int, owner: np.ndarray, classes: np.ndarray, boxes: np.ndarray, found: list[Any]) -> Case:
    records: list[Any] = [SimpleNamespace(im_id=number) for number in range(images)]
    areas, crowd = boxes[:, 2] * boxes[:, 3], np.zeros(len(owner), bool)
    file: Any = SimpleNamespace(im_id=owner, class_index=classes, boxes=boxes, areas=areas, crowd=crowd)
    truth = flatten_truth(records, file, CLASSES)
    return pair_up(truth, flatten_found(found, truth.im_ids, COCO.max_found), COCO)
