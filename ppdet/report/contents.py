"""Puts the page together: the values of its template, from the numbers, the plots and the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import path, sep
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ppdet.report import galleries
from ppdet.report.drawing import draw_curves, draw_matrix
from ppdet.report.matrix import matrix_view
from ppdet.report.page import percent
from ppdet.report.parts import draw_parts
from ppdet.report.pictures import Budget, Picture, draw_all
from ppdet.report.source import Evaluated
from ppdet.report.tables import class_table

_PICTURES = 3_000_000  # bytes of all pictures; with everything else the page stays below 5 MB
TITLES = {
    "AP": "AP, mean of IoU 0.50 to 0.95",
    "AP50": "AP at IoU 0.50",
    "AP75": "AP at IoU 0.75",
    "APs": "AP of objects below 32 x 32 pixels",
    "APm": "AP of objects of 32 x 32 to 96 x 96 pixels",
    "APl": "AP of objects above 96 x 96 pixels",
    "AR1": "average recall with 1 detection per image and class",
    "AR10": "average recall with 10 detections per image and class",
    "AR100": "average recall with 100 detections per image and class",
    "ARs": "average recall of objects below 32 x 32 pixels",
    "ARm": "average recall of objects of 32 x 32 to 96 x 96 pixels",
    "ARl": "average recall of objects above 96 x 96 pixels",
    "mAP": "mAP at IoU 0.50",
}
_GALLERIES = (
    ("worst", "Worst images", "Those with the most wrong and missed boxes.", galleries.worst_images),
    (
        "false-positives",
        "False positives",
        "The most confident ones. Are they unlabeled?",
        galleries.false_positives,
    ),
    ("misses", "Misses", "Objects that nothing was found of, the largest first.", galleries.misses),
    ("confusions", "Confusions", "Objects that were taken for another class.", galleries.confusions),
)


def page_content(
    evaluated: Evaluated, scene: galleries.Scene, numbers: Mapping[str, Any], folder: Path, final: Path
) -> dict[str, Any]:
    """The values of the template. Writes the plots.

    Args:
        evaluated: the evaluation.
        scene: its detections.
        numbers: of `report_numbers`.
        folder: where the plots go.
        final: the folder that they and the page are moved to, for links.
    """
    counts, names = scene.confusion.counts, scene.names
    draw_matrix(folder, counts, names)
    columns, rows = class_table(numbers["classes"])
    cells, shown, left_out = _pictures(scene, final)
    parts = draw_parts(folder, evaluated, scene, numbers)
    main = numbers["scores"][0]
    return {
        "title": evaluated.name,
        "headline": f"{main['name']} {percent(main['value'])}",
        "subtitle": f"{numbers['images']:,} images, {numbers['objects']:,} objects, {len(names)} classes; in %",
        "num_images": numbers["images"],
        "scores": [{**each, "title": TITLES.get(each["name"], each["name"])} for each in numbers["scores"]],
        "sections": _sections(parts),
        "sentences": numbers["sentences"],
        "class_columns": columns,
        "class_rows": rows,
        "curves": numbers["curves"],
        "curve_names": [each["name"] for each in numbers["curves"]["classes"]],
        "threshold": numbers["threshold"],
        "matrix": matrix_view(counts, names, cells),
        "parts": parts,
        "galleries": shown,
        "pictures_left_out": left_out,
        "facts": evaluated.facts,
        "config": evaluated.config,
        **draw_curves(folder, numbers["curves"], scene.analysis.overall),
    }


def _sections(parts: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    first = [("findings", "Findings"), ("classes", "Classes"), ("curves-section", "Curves"), ("confusion", "Confusion")]
    return [*first, *((part["id"], part["title"]) for part in parts), ("pictures", "Pictures"), ("run", "Run")]


def _pictures(scene: galleries.Scene, final: Path) -> tuple[dict[tuple[int, int], Any], list[dict[str, Any]], int]:
    """(pictures of the matrix's cells, the galleries, how many pictures found no room)."""
    chosen = [choose(scene) for *_, choose in _GALLERIES]
    of_cells = galleries.cells(scene)
    lists, budget = [*chosen, *of_cells.values()], Budget(_PICTURES)
    entries = iter(picture_entries([each for some in lists for each in some], budget, final))
    filled = [[next(entries) for _ in some] for some in lists]
    shown = [
        {"id": id_, "title": title, "about": about, "large": id_ == "worst", "pictures": pictures}
        for (id_, title, about, _), pictures in zip(_GALLERIES, filled, strict=False)
        if pictures
    ]
    cells = zip(of_cells, filled[len(chosen) :], strict=True)
    return {key: [each for each in some if each["data"]] for key, some in cells}, shown, budget.refused


def picture_entries(pictures: Sequence[Picture], budget: Budget, folder: Path) -> list[dict[str, str]]:
    """The pictures for the template, as far as the budget goes. folder: where the page goes, for links."""
    return [
        {"data": data, "link": place_of(each.file, folder), "caption": each.caption, "name": Path(each.file).name}
        for each, data in zip(pictures, draw_all(pictures, budget), strict=True)
    ]


def place_of(file: str, folder: Path) -> str:
    """The link from a page in `folder` to a file: a relative path, with what is special in addresses encoded."""
    try:
        return quote(path.relpath(path.realpath(file), path.realpath(folder)).replace(sep, "/"))
    except ValueError:  # another drive of Windows
        return Path(file).resolve().as_uri()
