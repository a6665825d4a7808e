"""The tracks of a video as files."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..files import atomic_write
from .counting import RegionCounter, summary
from .tracked import Tracked


class Results:
    """Collects the tracks of a video, on disk because a camera may run for days, and writes them at its end.

    labels: the class names of the model. Closing it frees the disk.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels, self._frame = labels, 0
        self._rows = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115  # closed by `close`

    def add(self, found: Tracked) -> None:
        """Adds the objects of the next frame."""
        self._frame += 1
        columns = (found.ids, found.boxes, found.scores, found.class_ids)
        objects = zip(*(column.tolist() for column in columns), strict=True)
        for number, (x1, y1, x2, y2), score, class_id in objects:
            box = f"{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
            self._rows.write(f"{self._frame},{number},{box},{score:.4f},{class_id + 1},-1,-1\n")

    def write(self, video: Path, frames: int, about: dict[str, Any], counters: Sequence[RegionCounter]) -> None:
        """Writes <video>.tracks.txt in MOT's layout, <video>.tracks.json and <video>.counts.json beside `video`.

        Args:
            video: the file with the drawn frames.
            frames: the number of its frames; objects of later ones are left out.
            about: what counts.json begins with.
            counters: the lines and zones.
        """
        kinds: dict[int, str] = {}
        table, boxes = video.with_suffix(".tracks.txt"), video.with_suffix(".tracks.json")
        with atomic_write(table) as rows, atomic_write(boxes) as file:
            separator = "[\n"
            for line, entry in self._entries(frames):
                rows.write(line)
                file.write(separator + json.dumps(entry))
                separator = ",\n"
                kinds[entry["track_id"]] = entry["category"]
            file.write("[]" if separator == "[\n" else "\n]")
        regions: dict[str, dict[str, Any]] = {"lines": {}, "zones": {}}
        for counter in counters:
            regions[f"{counter.region.kind}s"][counter.region.name] = summary(counter)
        objects = dict(sorted(Counter(kinds.values()).items()))
        with atomic_write(video.with_suffix(".counts.json")) as file:
            json.dump({**about, "frames": frames, "objects": objects, **regions}, file, indent=2)

    def close(self) -> None:
        """Frees the disk."""
        self._rows.close()

    def _entries(self, frames: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """The lines of MOT's layout, each with the entry of tracks.json."""
        self._rows.seek(0)
        for line in self._rows:
            frame, number, x, y, width, height, score, kind, _, _ = line.split(",")
            if int(frame) > frames:
                return
            yield (
                line,
                {
                    "frame": int(frame),
                    "track_id": int(number),
                    "category_id": int(kind) - 1,
                    "category": self._labels[int(kind) - 1],
                    "bbox": [float(x), float(y), float(width), float(height)],
                    "score": float(score),
                },
            )
