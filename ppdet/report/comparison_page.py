"""The page of a comparison: compare.html and compare.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppdet.data.datasets import Dataset
from ppdet.metrics.analysis.bootstrap import RESAMPLES
from ppdet.report.comparison import Side, comparison_numbers, differing_images
from ppdet.report.contents import TITLES, picture_entries
from ppdet.report.galleries import build_scene
from ppdet.report.page import percent, render
from ppdet.report.pictures import Budget
from ppdet.report.tables import sortable
from ppdet.utils.staging import staged

_PICTURES = 3_000_000  # bytes


@dataclass(frozen=True, eq=False)
class Compared:
    """The content of the page.

    Attributes:
        name: of the run.
        dataset: the images and their objects.
        metric: "COCO" or "VOC".
        map_type: of VOC's AP.
        a, b: what is compared.
        facts: lines about the run, in pairs of a name and a value.
        config: the resolved config as YAML.
    """

    name: str
    dataset: Dataset
    metric: str
    map_type: str
    a: Side
    b: Side
    facts: Sequence[tuple[str, str]]
    config: str


def write_comparison(folder: Path, compared: Compared, stem: str = "compare") -> str:
    """Writes `stem`.html and `stem`.json, which replace those of an earlier comparison; returns the verdict.

    Raises:
        UserError: the folder cannot be written.
    """
    sides = (compared.a, compared.b)
    a, b = (build_scene(compared.dataset, each.detections, compared.metric, compared.map_type) for each in sides)
    numbers = comparison_numbers(a, b, (compared.a.name, compared.b.name))
    pairs, budget = differing_images(a, b), Budget(_PICTURES)
    pictures = [picture for pair in pairs for picture in pair]
    content = comparison_content(compared, numbers) | {"pictures": picture_entries(pictures, budget, folder)}
    with staged(folder, "--report") as temp:
        (temp / f"{stem}.json").write_text(json.dumps(numbers, allow_nan=False, ensure_ascii=False), encoding="utf-8")
        (temp / f"{stem}.html").write_text(render(content, "compare.html"), encoding="utf-8")
    found: str = numbers["verdict"]
    return found


def comparison_content(compared: Compared, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the template, but for the pictures. numbers: of `comparison_numbers`."""
    main = numbers["scores"][0]
    titles = {"scores": "Scores", "classes": "Classes", "kinds": "Errors", "pictures": "Pictures", "run": "Run"}
    return {
        "title": f"{compared.name}: A and B",
        "headline": f"{main['name']} {percent(main['a'])} and {percent(main['b'])}",
        "verdict": numbers["verdict"],
        "a": numbers["a"],
        "b": numbers["b"],
        "num_images": numbers["images"],
        "resamples": RESAMPLES,
        "main": main,
        "sections": list(titles.items()),
        "scores": [(each["name"], TITLES.get(each["name"], ""), _cells(each)) for each in numbers["scores"]],
        "classes": [(each["name"], each["objects"], _cells(each)) for each in numbers["classes"]],
        "by_chance": len(numbers["classes"]) / 20,
        "errors": numbers["errors"],
        "thresholds": numbers["thresholds"],
        "facts": compared.facts,
        "config": compared.config,
    }


def _cells(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cells A, B, difference, interval and verdict of a line."""
    value, interval = line["difference"], line["interval"]
    word = "" if interval is None else "noise" if not line["clear"] else "A" if value > 0 else "B"
    bounds = "–" if interval is None else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
    return [
        {"v": sortable(line["a"]), "text": percent(line["a"])},
        {"v": sortable(line["b"]), "text": percent(line["b"])},
        {"v": sortable(value), "text": "–" if value is None else f"{100 * value:+.1f}"},
        {"v": sortable(interval and interval[1] - interval[0]), "text": bounds},
        {"v": word, "text": word or "–"},
    ]
