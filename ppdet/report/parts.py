"""The sections of the page that are figures with a table: error kinds, parts of the data, calibration, the data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ppdet.data.structures import Record
from ppdet.report import plots
from ppdet.report.figures import figure, save
from ppdet.report.galleries import Scene
from ppdet.report.observe import box_classes, box_sides
from ppdet.report.page import markup, percent
from ppdet.report.source import Evaluated

_SIZE = (4.6, 3.0)  # inches
_ERRORS = {
    "classification": "the right place, the wrong class",
    "localization": "the right class, but the box fits badly (IoU 0.1 to 0.5)",
    "both": "the wrong class, and the box fits badly",
    "duplicate": "a second box on an object that is found already",
    "background": "a box where nothing is labeled",
    "missed": "an object without any of these",
}
_BUCKETS = (
    ("size", "by size of the object", "side in pixels"),
    ("crowd", "by objects in the image", "objects"),
    ("shape", "by shape of the object", "width / height"),
)


class Part(NamedTuple):
    """A section.

    Attributes:
        id: for links to it.
        title: its heading.
        about: what it shows.
        figures: markup.
        columns, rows: of its table; empty: no table.
    """

    id: str
    title: str
    about: str
    figures: Sequence[Any]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def draw_parts(folder: Path, evaluated: Evaluated, scene: Scene, numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sections for the template; their plots go to the folder."""
    sets = {"evaluated": scene.records} | ({"training": evaluated.training.records} if evaluated.training else {})
    parts = (
        _errors(folder, numbers["errors"]),
        _buckets(folder, numbers["buckets"]),
        _calibration(folder, numbers["calibration"]),
        dataset_part(folder, scene.names, sets, _about_sets(sets)),
    )
    return [part._asdict() for part in parts]


def _errors(folder: Path, errors: Sequence[Mapping[str, Any]]) -> Part:
    with figure(*_SIZE) as (drawn, axes):
        gains = [100 * (each["gain"] or 0.0) for each in errors]
        plots.bars(axes, [each["kind"] for each in errors], gains, "AP50 that fixing it brings")
        shown = save(drawn, folder / "errors.png")
    about = (
        "The rise of AP at IoU 0.5 if all errors of one kind were fixed, as TIDE defines them. Detections of "
        "any score count, so an object that has a weak one is not missed here, while it is in the sentences above."
    )
    rows = [(each["kind"], _ERRORS[each["kind"]], f"{each['count']:,}", percent(each["gain"])) for each in errors]
    return Part("errors", "Errors", about, [markup(shown)], ("kind", "meaning", "boxes", "AP50"), rows)


def _buckets(folder: Path, buckets: Mapping[str, Sequence[Mapping[str, Any]]]) -> Part:
    shown = []
    for kind, title, label in _BUCKETS:
        with figure(3.6, 2.7) as (drawn, axes):
            some = [each for each in buckets[kind] if each["objects"]]
            values = [100 * each["AP"] if each["AP"] is not None else -1.0 for each in some]
            names = [_range(each["from"], each["to"], kind == "crowd") for each in some]
            plots.buckets(
                axes, names, values, [each["objects"] for each in some], title, f"{label} (below: number of objects)"
            )
            shown.append(markup(save(drawn, folder / f"ap_by_{kind}.png")))
    return Part("buckets", "Parts of the data", "AP of parts of the objects and images.", shown)


def _range(low: float, high: float | None, is_count: bool) -> str:
    first, last = (_short(each) for each in (low, high or 0.0))
    if high is None:
        return f"{first}+"
    if is_count:
        return first if high == low + 1 else f"{first} – {_short(high - 1)}"
    return f"{first} – {last}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _calibration(folder: Path, found: Mapping[str, Any]) -> Part:
    score, right = (np.array([np.nan if each is None else each for each in found[key]]) for key in ("score", "right"))
    with figure(*_SIZE) as (drawn, axes):
        plots.reliability(axes, score, right, np.array(found["count"]))
        shown = markup(save(drawn, folder / "calibration.png"))
    error = "" if found["error"] is None else f" The expected calibration error is {found['error']:.3f}."
    about = f"On the dashed line a score is the share of detections that are right at IoU 0.5.{error}"
    return Part("calibration", "Calibration", about, [shown])


def _about_sets(sets: Mapping[str, Sequence[Record]]) -> str:
    about = f"The {len(sets['evaluated']):,} images that were evaluated"
    return about + (f", beside the {len(sets['training']):,} of the training set." if "training" in sets else ".")


def dataset_part(folder: Path, names: Sequence[str], sets: Mapping[str, Sequence[Record]], about: str) -> Part:
    """Classes, sizes and numbers of boxes.

    Args:
        folder: where the plots go.
        names: of the classes.
        sets: the images by the name of their set; the classes are those of the first one.
        about: the text above.
    """
    sides = {name: box_sides(records) for name, records in sets.items()}
    crowds = {name: np.array([len(record.gt_bbox) for record in records]) for name, records in sets.items()}
    counts = np.bincount(box_classes(next(iter(sets.values()))), minlength=len(names)).tolist()
    everything = np.concatenate([*sides.values(), [8, 256]])
    edges = np.geomspace(max(everything.min(), 1) / 1.05, everything.max() * 1.05, 28)
    most = max(int(each.max(initial=0)) for each in crowds.values())
    shown = []
    with figure(3.6, 2.9) as (drawn, axes):
        plots.class_counts(axes, names, counts)
        shown.append(save(drawn, folder / "dataset_classes.png"))
    with figure(3.6, 2.9) as (drawn, axes):
        plots.histogram(axes, sides, edges, "sizes of boxes", "square root of the area in pixels")
        shown.append(save(drawn, folder / "dataset_sizes.png"))
    with figure(3.6, 2.9) as (drawn, axes):
        plots.histogram(axes, crowds, np.arange(most + 2) - 0.5, "boxes in an image", "boxes")
        shown.append(save(drawn, folder / "dataset_boxes.png"))
    return Part("dataset", "Data set", about, [markup(each) for each in shown])
