"""`report.html`: a page to watch a training on, written at each checkpoint and now and then between two."""

from __future__ import annotations

import logging
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ppdet.core.yaml_dump import dump
from ppdet.data.datasets import Dataset
from ppdet.data.loading.batch_sheet import SHEETS
from ppdet.evaluation.evaluator import Evaluator
from ppdet.evaluation.run_report import machine_facts, stated_weights
from ppdet.metrics.results import ImageDetections
from ppdet.report.followed import Follow, choose
from ppdet.report.parts import Part, dataset_part
from ppdet.report.training_page import Training, write_training_page
from ppdet.report.write import missing_library
from ppdet.session import Session
from ppdet.training.callbacks.base import Callback, Numbers, Run
from ppdet.training.callbacks.tolerant import Tolerant
from ppdet.training.epoch_table import METRICS, epoch_rows, read_records
from ppdet.training.page_state import sentences_of, state_of

logger = logging.getLogger(__name__)

PAGE, BOXES = "report.html", "report_boxes.jsonl"
_LEAST_PAUSE = 60.0  # seconds between two pages, if there is no checkpoint
_PAUSES = 100  # as many times as a page took; so all of them take 1 % of the time


@dataclass(frozen=True, eq=False)
class Watched:
    """A run, for its page.

    Attributes:
        session: config and device.
        dataset: the training set.
        evaluator: scores the model; None: there is no evaluation.
        steps: of an epoch.
        seed: chooses the pictures.
        checkpoint: where the run continues; None: a new one.
    """

    session: Session
    dataset: Dataset
    evaluator: Evaluator | None
    steps: int
    seed: int
    checkpoint: Path | None

    @property
    def folder(self) -> Path:
        """The output folder, which has metrics.jsonl and gets the page."""
        return self.session.output_dir

    @property
    def evaluated(self) -> Dataset | None:
        """The validation set."""
        return self.evaluator.dataset if self.evaluator else None

    @property
    def score(self) -> str:
        """The name of the score that decides which epoch is best; "" without an evaluation."""
        return self.evaluator.metric.primary if self.evaluator else ""

    @cached_property
    def facts(self) -> list[tuple[str, str]]:
        """Lines about the run."""
        sets = {"training set": self.dataset, "validation set": self.evaluated}
        begin = stated_weights(self.session.settings.pretrain_weights)
        return [
            ("command", shlex.join(sys.argv)),
            ("started", time.strftime("%Y-%m-%d %H:%M %z")),
            ("config", self.session.settings.filename),
            ("continues", str(self.checkpoint)) if self.checkpoint else ("first weights", begin),
            *((name, f"{each.anno_file or each.root}, {len(each):,} images") for name, each in sets.items() if each),
            ("seed", str(self.seed)),
            ("folder", str(self.folder)),
            *machine_facts(self.session),
        ]

    @cached_property
    def data_part(self) -> Part:
        """The figures of the data."""
        sets = {"training": self.dataset.records}
        about = f"The {len(self.dataset.records):,} images of the training set"
        if self.evaluated:
            sets["validation"] = self.evaluated.records
            about += f", beside the {len(self.evaluated.records):,} of the validation set"
        names = [category.name for category in self.dataset.categories]
        with tempfile.TemporaryDirectory() as folder:  # the page needs no files of them
            return dataset_part(Path(folder), names, sets, f"{about}.")


class TrainingPage(Callback):
    """Writes the page from metrics.jsonl, so that a continued run has its whole history and repeats nothing."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        records = watched.evaluated.records if watched.evaluated else []
        names = [category.name for category in watched.dataset.categories]
        self._follow = Follow(watched.folder / BOXES, choose(records, watched.seed), names)
        self._detections: Sequence[ImageDetections] = ()
        self._next = time.monotonic()

    def on_begin(self, run: Run) -> None:
        if run.continued:
            self._follow.read()

    def on_detections(self, detections: Sequence[ImageDetections]) -> None:
        self._detections = detections

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        if kind == "eval":
            self._follow.add(int(numbers["epoch"]), self._detections)
            self._detections = ()
        elif time.monotonic() >= self._next:
            self._write()

    def on_checkpoint(self) -> None:
        self._write()

    def on_end(self, complete: bool) -> None:
        self._write("complete" if complete else "interrupted")

    def _write(self, end: str = "") -> None:
        """Writes the page. end: see `state_of`."""
        start, watched = time.monotonic(), self._watched
        records = read_records(watched.folder / METRICS)
        # a continued run may have another score than the run before, or none
        evaluations = [each for each in records if each["kind"] == "eval" and watched.score in each]
        scores = [(each["epoch"], each[watched.score]) for each in evaluations]
        settings = watched.session.settings
        asked = settings.early_stop, watched.score
        page = Training(
            name=settings.filename,
            state=state_of(records, scores, settings.epoch, *asked, end),
            score=watched.score,
            steps=watched.steps,
            lines=[each for each in records if each["kind"] == "train"],
            evaluations=evaluations,
            rows=epoch_rows(records),
            sentences=sentences_of(scores, *asked, bool(end)),
            follow=self._follow,
            sheets=[watched.folder / name for name in SHEETS],
            dataset=watched.data_part,
            facts=watched.facts,
            config=dump(watched.session.cfg.to_dict()),
        )
        write_training_page(watched.folder / PAGE, page)
        seconds = time.monotonic() - start
        self._next = start + max(_LEAST_PAUSE, _PAUSES * seconds)


def training_page(watched: Watched) -> list[Callback]:
    """The page's callback; none if a library is missing, which one line says."""
    if name := missing_library():
        logger.info("%s is not written: %s is not installed; pip install %s", PAGE, name, name)
        return []
    return [Tolerant(TrainingPage(watched), PAGE)]
