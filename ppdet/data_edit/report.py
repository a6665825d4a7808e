"""A table of parts and their classes, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ppdet.data_edit.parts import Part
from ppdet.data_edit.split import boxes_by_class
from ppdet.deploy.errors import printable
from ppdet.deploy.tables import align_columns

_MOST_CLASSES = 30


def as_text(folder: Path, parts: Sequence[Part], remarks: Sequence[str]) -> str:
    """A summary of the new folder: images and boxes of each part, shares of the most frequent classes, the remarks."""
    boxes = [boxes_by_class(part) for part in parts]
    order = sorted(parts[0].classes, key=lambda name: -sum(found[name] for found in boxes))
    rows = [["", *(part.name for part in parts)]]
    rows.append(["images", *(str(len(part.pictures)) for part in parts)])
    rows.append(["boxes", *(str(found.total()) for found in boxes)])
    for name in dict.fromkeys(order[:_MOST_CLASSES]):
        rows.append([printable(name), *(f"{f[name]} ({f[name] / max(f.total(), 1):.1%})" for f in boxes)])
    more = [f"and {len(order) - _MOST_CLASSES} rarer classes"] if len(order) > _MOST_CLASSES else []
    notes = "".join(f"\n- {printable(remark)}" for remark in [*more, *remarks])
    return f"{printable(str(folder))}: written\n{align_columns(rows)}{notes}"
