"""The content of a report: an evaluated data set, the detections and the facts of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ppdet.data.datasets import Dataset
from ppdet.metrics.results import ImageDetections


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation.

    Attributes:
        name: of the run, the page's title.
        dataset: the images and their objects.
        training: the training set; None if it is not known.
        metric: "COCO" or "VOC".
        map_type: of VOC's AP.
        scores: what the metric gave, by name; the main one first.
        detections: of all images.
        facts: lines about the run, in pairs of a name and a value.
        config: the resolved config as YAML.
        settings: values of the run that advice names.
    """

    name: str
    dataset: Dataset
    training: Dataset | None
    metric: str
    map_type: str
    scores: Mapping[str, float]
    detections: Sequence[ImageDetections]
    facts: Sequence[tuple[str, str]]
    config: str
    settings: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """The classes."""
        return [category.name for category in self.dataset.categories]
