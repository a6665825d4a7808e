"""The findings as a text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from ppdet.data_check.finding import Finding
from ppdet.data_check.split import Split
from ppdet.deploy.errors import printable
from ppdet.deploy.files import atomic_write
from ppdet.utils.tables import format_table


class _SplitRow(NamedTuple):
    split: str
    images: int
    boxes: int
    classes: int


class _Row(NamedTuple):
    severity: str
    split: str
    kind: str
    number: int


def as_text(splits: Sequence[Split], findings: Sequence[Finding]) -> str:
    """A table of the splits, a table of the findings, and what each means."""
    parts = [format_table([_split_row(split) for split in splits])]
    if findings:
        parts.append(format_table([_Row(each.severity, each.split, each.name, each.count) for each in findings]))
        parts.append("\n".join(line for finding in findings for line in _lines(finding)))
    counts = Counter(finding.severity for finding in findings)
    parts.append(f"{counts['error']} kinds of errors, {counts['warning']} of warnings, {counts['info']} notes")
    return "\n\n".join(parts)


def write_report(path: Path, splits: Sequence[Split], findings: Sequence[Finding]) -> None:
    """Writes {"splits": [{split, images, boxes, classes}], "findings": [{name, split, severity, count, …}]}."""
    content = {
        "splits": [_split_row(split)._asdict() | {"annotations": str(split.source)} for split in splits],
        "findings": [asdict(finding) for finding in findings],
    }
    with atomic_write(path) as file:
        json.dump(content, file, indent=1)


def _split_row(split: Split) -> _SplitRow:
    return _SplitRow(split.name, len(split.images), len(split.boxes), len(split.categories))


def _lines(finding: Finding) -> list[str]:
    examples = ", ".join(finding.examples)
    return [
        printable(f"{finding.severity}: {finding.name} ({finding.count} in {finding.split}): {finding.what}"),
        printable(f"    e.g. {examples}"),
        printable(f"    {finding.advice}"),
    ]
