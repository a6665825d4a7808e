"""The page of a training: its state, its curves, and what the model finds on a few images after each evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppdet.deploy.errors import DeployError
from ppdet.deploy.files import atomic_write
from ppdet.deploy.images import read_image
from ppdet.report.contents import TITLES, picture_entries
from ppdet.report.followed import THRESHOLD, Follow
from ppdet.report.page import percent, render
from ppdet.report.parts import Part
from ppdet.report.pictures import Budget, data_uri, encode
from ppdet.report.training_plots import Line, draw_training
from ppdet.utils.contact_sheet import fitted

EVALUATIONS = 6  # whose pictures are shown
_PICTURES = 2_000_000  # bytes
_SHEET = 640  # pixels, the longer side of a training batch
_NUMBERS = ("lr", "images_per_second", "memory_mb")
_HEADINGS = {"lr": "learning rate", "images_per_second": "images/s", "memory_mb": "memory (MB)"}


@dataclass(frozen=True, eq=False)
class State:
    """The progress of the training.

    Attributes:
        word: "running", "finished", …
        text: one sentence about it.
        running: whether the page has to be loaded again.
        written: the time.
    """

    word: str
    text: str
    running: bool
    written: str


@dataclass(frozen=True, eq=False)
class Training:
    """A training as far as it is.

    Attributes:
        name: of the run, the page's title.
        state: how far it is.
        score: the name of the score that decides which epoch is best; "": it is not evaluated.
        steps: of an epoch.
        lines: of the log, from metrics.jsonl.
        evaluations: the same for the scores.
        rows: one for each epoch, as results.csv has them.
        sentences: what the scores say about the number of epochs.
        follow: the images that are shown after each evaluation; None: not evaluated.
        sheets: the pictures of the first batches.
        dataset: the figures of the data.
        facts: lines about the run, in pairs of a name and a value.
        config: the resolved config as YAML.
    """

    name: str
    state: State
    score: str
    steps: int
    lines: Sequence[Line]
    evaluations: Sequence[Line]
    rows: Sequence[Mapping[str, float]]
    sentences: Sequence[str]
    follow: Follow | None
    sheets: Sequence[Path]
    dataset: Part
    facts: Sequence[tuple[str, str]]
    config: str


def write_training_page(path: Path, training: Training) -> None:
    """Writes the page, whole or not at all. Raises DeployError if it cannot be written."""
    page = render(training_content(training, path.parent), "training.html", ("report.js", "training.js"))
    with atomic_write(path) as file:
        file.write(page)


def training_content(training: Training, folder: Path) -> dict[str, Any]:
    """The values of the template. folder: where the page goes, for links."""
    best = max(training.evaluations, key=lambda each: each[training.score], default=None)
    columns, rows = epoch_table(training.rows, best["epoch"] if best else 0)
    charts = draw_training(training.lines, training.evaluations, training.steps)
    galleries, left_out = _galleries(training, best, folder)
    sheets = [{"data": data, "name": sheet.name} for sheet in training.sheets if (data := _small(sheet))]
    present = {"charts": charts, "pictures": galleries, "epochs": rows, "batches": sheets}
    titles = {"charts": "Curves", "epochs": "Epochs", "pictures": "Pictures", "batches": "First batches"}
    return {
        "title": training.name,
        "headline": f"{training.state.word}, {_headline(training, best)}",
        "state": training.state,
        "sections": [
            *((key, titles[key]) for key, some in present.items() if some),
            (training.dataset.id, training.dataset.title),
            ("run", "Run"),
        ],
        "best": best and {"title": TITLES[training.score], "value": best[training.score], "epoch": best["epoch"]},
        "loss": training.lines[-1]["loss"] if training.lines else None,
        "last": _last_scores(training),
        "sentences": training.sentences,
        "charts": charts,
        "epoch_columns": columns,
        "epoch_rows": rows,
        "galleries": galleries,
        "threshold": THRESHOLD,
        "pictures_left_out": left_out,
        "sheets": sheets,
        "dataset": training.dataset._asdict(),
        "facts": training.facts,
        "config": training.config,
    }


def _headline(training: Training, best: Line | None) -> str:
    if best:
        return f"{training.score} {percent(best[training.score])}"
    return f"loss {training.lines[-1]['loss']:.3f}" if training.lines else "no step yet"


def _last_scores(training: Training) -> list[dict[str, Any]]:
    """The scores of the last evaluation."""
    last = training.evaluations[-1] if training.evaluations else {}
    return [{"name": name, "title": TITLES[name], "value": last[name]} for name in last if name in TITLES]


def epoch_table(
    rows: Sequence[Mapping[str, float]], best: float
) -> tuple[list[str], list[tuple[bool, list[dict[str, Any]]]]]:
    """(headings, rows) for the template, the newest epoch first. A row has whether it is the best, and its cells.

    Args:
        rows: of results.csv.
        best: the epoch with the best score.
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name != "updates"))
    scores, others = ([name for name in names if (name in TITLES) == wanted] for wanted in (True, False))
    keys = ["epoch", *scores, *(name for name in others if name != "epoch")]
    cells = [
        (row["epoch"] == best, [{"v": row.get(key, ""), "text": _text(key, row.get(key))} for key in keys])
        for row in reversed(rows)
    ]
    return [_HEADINGS.get(key, key) for key in keys], cells


def _text(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if key in TITLES:
        return percent(value)
    if key in ("epoch", "memory_mb"):
        return f"{value:.0f}"
    return f"{value:.1f}" if key == "images_per_second" else f"{value:.3g}" if key == "lr" else f"{value:.4f}"


def chosen_epochs(epochs: Sequence[int], best: int, most: int = EVALUATIONS) -> list[int]:
    """The evaluations whose pictures are shown, the newest first: the last, the best and the first, and some between.

    Args:
        epochs: those that have pictures, ascending.
        best: the one with the best score.
        most: how many.
    """
    count = len(epochs)
    if count <= most:
        return list(epochs)[::-1]
    spread = {epochs[round(place * (count - 1) / (most - 2))] for place in range(most - 1)}
    return sorted(spread | ({best} & set(epochs)), reverse=True)


def _galleries(training: Training, best: Line | None, folder: Path) -> tuple[list[dict[str, Any]], int]:
    """(the pictures of each chosen evaluation, how many found no room)."""
    if not training.follow or not best:
        return [], 0
    scores = {each["epoch"]: each[training.score] for each in training.evaluations}
    found = {epoch: boxes for epoch, boxes in training.follow.found.items() if epoch in scores}
    epochs, budget = chosen_epochs(sorted(found), best["epoch"]), Budget(_PICTURES)
    pictures = [training.follow.pictures(found[epoch]) for epoch in epochs]
    entries = iter(picture_entries([each for some in pictures for each in some], budget, folder))
    galleries = [
        {
            "title": f"Epoch {epoch}: {training.score} {percent(scores[epoch])}",
            "note": ", the best" * (epoch == best["epoch"]),
            "pictures": [next(entries) for _ in some],
        }
        for epoch, some in zip(epochs, pictures, strict=True)
    ]
    return galleries, budget.refused


def _small(sheet: Path) -> str:
    """A small copy of a picture as a data URI; "" if it cannot be read."""
    try:
        image = read_image(sheet)
    except DeployError:
        return ""
    return data_uri(encode(fitted(image, _SHEET)[0]))
