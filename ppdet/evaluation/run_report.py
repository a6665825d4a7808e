"""The report of one evaluation: collects what the session knows for `ppdet.report`."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import paddle

from ppdet import __version__
from ppdet.core.errors import UserError
from ppdet.core.yaml_dump import dump
from ppdet.data.datasets import Dataset
from ppdet.metrics.results import ImageDetections
from ppdet.report.comparison import Side
from ppdet.report.comparison_page import Compared, write_comparison
from ppdet.report.source import Evaluated
from ppdet.report.write import write_report
from ppdet.session import Session
from ppdet.utils.download import resolve_weights
from ppdet.utils.files import sha256
from ppdet.weights.trained_classes import TrainedClasses

logger = logging.getLogger(__name__)

_LARGEST = 50_000_000  # bytes of a training set's annotation file; reading a larger one takes longer than the report


def report_evaluation(
    folder: Path,
    session: Session,
    dataset: Dataset,
    scores: Mapping[str, float],
    detections: Sequence[ImageDetections],
    facts: Sequence[tuple[str, str]],
) -> None:
    """Write the report.

    Args:
        folder: where it goes.
        session: the run.
        dataset: what was evaluated.
        scores: what the metric gave.
        detections: of all images.
        facts: see `run_facts`.
    """
    start = time.perf_counter()
    settings = session.settings
    evaluated = Evaluated(
        name=settings.filename,
        dataset=dataset,
        training=_training_set(session, dataset),
        metric=settings.metric,
        map_type=settings.map_type,
        scores=scores,
        detections=detections,
        facts=facts,
        config=dump(session.cfg.to_dict()),
        settings={"nms_threshold": _nms_threshold(session)},
    )
    write_report(folder, evaluated)
    logger.info("%s: written in %.1f s", folder / "report.html", time.perf_counter() - start)


def report_comparison(
    folder: Path,
    session: Session,
    dataset: Dataset,
    sides: tuple[Side, Side],
    facts: Sequence[tuple[str, str]],
    stem: str = "compare",
) -> None:
    """Write the page of a comparison, and log its verdict.

    Args:
        folder: where it goes.
        session: the run.
        dataset: what was evaluated.
        sides: what is compared.
        facts: lines about the run.
        stem: the names of its files, without extension.
    """
    settings, config = session.settings, dump(session.cfg.to_dict())
    compared = Compared(settings.filename, dataset, settings.metric, settings.map_type, *sides, facts, config)
    logger.info("%s: %s", folder / f"{stem}.html", write_comparison(folder, compared, stem).replace("`", ""))


def distinct_names(a: str, b: str) -> tuple[str, str]:
    """The shortest ends of two paths that tell them apart; the names of the files if the paths are equal."""
    one, other = Path(a).parts, Path(b).parts
    for count in range(1, max(len(one), len(other)) + 1):
        if one[-count:] != other[-count:]:
            return "/".join(one[-count:]), "/".join(other[-count:])
    return Path(a).name, Path(b).name


def run_facts(session: Session, dataset: Dataset, results: Path | None, command: str) -> list[tuple[str, str]]:
    """Lines about the run.

    Args:
        session: the run.
        dataset: what was evaluated.
        results: the file of the detections; None: the model ran.
        command: the command line.
    """
    model = ("detections", with_checksum(results)) if results else ("weights", stated_weights(session.settings.weights))
    return [
        ("command", command),
        ("date", time.strftime("%Y-%m-%d %H:%M %z")),
        ("config", session.settings.filename),
        model,
        ("data set", str(dataset.anno_file or dataset.root)),
        *machine_facts(session),
    ]


def machine_facts(session: Session) -> list[tuple[str, str]]:
    """Lines about the device and the versions of a run."""
    versions = f"ppdet {__version__}, Paddle {paddle.__version__}, Python {platform.python_version()}"
    return [
        ("device", session.device),
        ("versions", f"{versions}, NumPy {np.__version__}, OpenCV {cv2.__version__}"),
        ("system", platform.platform()),
    ]


def stated_weights(spec: str | None) -> str:
    """The file of weights and its checksum. spec: a file, a name or a URL; None or "": no weights."""
    return with_checksum(resolve_weights(spec)) if spec else "none"


def with_checksum(path: Path) -> str:
    """The path and the beginning of the file's checksum."""
    return f"{path} (SHA-256 {sha256(path)[:16]})"


def _training_set(session: Session, evaluated: Dataset) -> Dataset | None:
    """The training set with the classes of `evaluated`; None if it has others, is missing or takes long to read."""
    if "TrainDataset" not in session.cfg:
        return None
    try:
        dataset = session.build_dataset("TrainDataset")
        if dataset.anno_file and dataset.anno_file.is_file() and dataset.anno_file.stat().st_size > _LARGEST:
            return None
        return session.load_annotated("TrainDataset", TrainedClasses(evaluated.categories, "EvalDataset"))
    except UserError as error:
        logger.debug("report: without the training set (%s)", error)
        return None


def _nms_threshold(session: Session) -> str:
    """The config's value, as a text."""
    head = session.cfg.get("PicoHeadV2") or session.cfg.get("PicoHead") or {}
    nms = head.get("nms") or {}
    return str(nms.get("nms_threshold", "as published"))
