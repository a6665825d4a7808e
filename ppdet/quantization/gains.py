"""The change of AP from one model to another on the same images, with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ppdet.data.datasets import Dataset
from ppdet.metrics.analysis.analysis import judge
from ppdet.metrics.analysis.average_precision import build_scorer
from ppdet.metrics.analysis.bootstrap import Resampled, resample
from ppdet.metrics.results import ImageDetections
from ppdet.session import Session

Key = TypeVar("Key")  # the name of a model


def resampled_scores(
    session: Session, dataset: Dataset, found: Mapping[Key, Sequence[ImageDetections]]
) -> dict[Key, Resampled]:
    """Returns the scores of the detections of some models on the same resamples of the images.

    Args:
        session: the run.
        dataset: what was evaluated.
        found: the detections of each model.
    """
    metric, map_type = session.settings.metric, session.settings.map_type
    scorers = [build_scorer(judge(detections, dataset, metric, map_type)[0]) for detections in found.values()]
    return dict(zip(found, resample(scorers), strict=True))
