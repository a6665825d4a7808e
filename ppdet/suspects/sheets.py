"""Contact sheets of findings: what the label says and what the model sees, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ppdet.data.ops.decode import read_to_draw
from ppdet.suspects.findings import Finding
from ppdet.utils.contact_sheet import close_up, contact_sheet, pictures_of

_SIDE, _COLUMNS, _CELLS = 240, 5, 40  # pixels, and pictures on a page
_LABEL, _SUGGESTED = (40, 40, 235), (60, 210, 60)  # BGR


def sheets(findings: Sequence[Finding]) -> Iterator[np.ndarray]:
    """Pages [H, W, 3] uint8 BGR with the findings in their order: labels in red, suggested boxes in green on top."""
    for start in range(0, len(findings), _CELLS):
        shown = range(start, min(start + _CELLS, len(findings)))
        pictures = pictures_of(lambda number: _picture(findings[number]), shown, _SIDE)
        yield contact_sheet(pictures, [caption(findings[number]) for number in shown], _SIDE, _COLUMNS)


def caption(finding: Finding) -> str:
    """The classes, the kind and how sure it is, as "stop -> yield mislabeled 0.91"."""
    both = (finding.label_class, finding.suggested_class)
    names = dict.fromkeys(category.name for category in both if category is not None)
    return f"{' -> '.join(names)} {finding.kind} {finding.sure:.2f}"  # a sheet shows the end of long captions


def _picture(finding: Finding) -> np.ndarray:
    picture = finding.picture
    image = read_to_draw(picture.file, picture.size)
    both = ((finding.label_box, _LABEL), (finding.suggested_box, _SUGGESTED))
    boxes = [(np.asarray(box), color) for box, color in both if box is not None]
    corners = np.array([box for box, _ in boxes])
    return close_up(image, [*corners[:, :2].min(0), *corners[:, 2:].max(0)], boxes, _SIDE)
