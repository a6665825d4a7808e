"""No error is found in COCO's sample, and in BCCD the two that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data_check.test_check import findings_of


@pytest.mark.parametrize(
    ("name", "errors"),
    [
        ("coco_tiny", []),
        (
            "bccd",
            [
                ("train", "boxes_without_size", ["JPEGImages/BloodImage_00343.jpg"]),
                ("val", "boxes_without_size", ["JPEGImages/BloodImage_00338.jpg"]),
            ],
        ),
    ],
)
def test_errors(name: str, errors: list[tuple[str, str, list[str]]], shared: Path) -> None:
    found = [finding for finding in findings_of(shared / "data" / name) if finding.severity == "error"]
    assert [(finding.split, finding.name, finding.examples) for finding in found] == errors
