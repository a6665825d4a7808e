"""The objects that a detector found in one image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .draw import draw
from .errors import DeployError
from .files import write_bytes
from .images import read_image, three_channels
from .outputs import WRITABLE, box_entry, encode_image, is_same_file
from .postprocess import Threshold, confident


@dataclass(frozen=True)
class Detections:
    """n objects of one image, the most confident first; n may be 0.

    The image itself is not kept: `plot` and `save` read its file again, or take the array that was detected in.

    Attributes:
        boxes: [n, 4] float32, xyxy, pixels of the original image; may reach a little beyond its edges.
        scores: [n] float32, 0..1.
        class_ids: [n] int64.
        names: n class names.
        path: the image's file; None if the image was an array.
        order: the order of the image's colors: bgr if it was a file, else that of the array.
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    names: tuple[str, ...]
    path: Path | None = None
    order: str = "bgr"

    def __len__(self) -> int:
        return len(self.scores)

    def plot(self, image: np.ndarray | None = None) -> np.ndarray:
        """A copy of the image with boxes, class names and scores: [h, w, 3] uint8, colors in `order`.

        So a file gives BGR, which cv2.imwrite and cv2.imshow take, and an array its own order.

        Args:
            image: the array that was detected in; None: the file `path` is read again.

        Raises:
            DeployError: there is neither, or the file cannot be read.
        """
        drawn = self._draw(image)
        return drawn if self.order == "bgr" else drawn[..., ::-1].copy()

    def save(self, path: str | Path, image: np.ndarray | None = None) -> None:
        """Writes the image with its boxes as the file `path`, whole or not at all, in the format of its suffix.

        image: as of `plot`. Raises DeployError if it cannot be read or written, or if `path` is the image itself.
        """
        path = Path(path).expanduser()
        if path.suffix.lower() not in WRITABLE:
            found = path.suffix or "no suffix"
            raise DeployError(f"{path}: found {found}; expected one of {', '.join(WRITABLE)}")
        if self.path is not None and is_same_file(path, self.path):
            raise DeployError(f"{path}: is the image itself and would be replaced; choose another name")
        write_bytes(path, encode_image(path, self._draw(image)))

    def entries(self) -> list[dict[str, Any]]:
        """One entry per box in COCO's results layout: category_id (the class's index), category, bbox, score."""
        objects = zip(self.class_ids.tolist(), self.names, self.boxes.tolist(), self.scores.tolist(), strict=True)
        return [
            {"category_id": class_id, "category": name, **box_entry(box, score)}
            for class_id, name, box, score in objects
        ]

    def to_json(self) -> str:
        """The entries as a JSON list: the lines of bbox.json without the name of the image."""
        return json.dumps(self.entries())

    def to_supervision(self) -> Any:
        """A supervision.Detections with the names as `data["class_name"]`.

        Raises DeployError if supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            reason = "not installed" if error.name == "supervision" else f"cannot be imported ({error})"
            raise DeployError(f"supervision: {reason}; pip install supervision") from error
        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.class_ids,
            data={"class_name": np.array(self.names, dtype=np.str_)},
        )

    def _draw(self, image: np.ndarray | None) -> np.ndarray:
        """Like `plot`, but in BGR."""
        return draw(self._bgr(image), self.boxes, self.scores, self.class_ids, self.names)

    def _bgr(self, image: np.ndarray | None) -> np.ndarray:
        """The image that `plot` is given, or that it reads again."""
        if image is not None:
            pixels = three_channels(image)
        elif self.path is not None:
            pixels = read_image(self.path)
        else:
            raise DeployError("image: these detections are of an array, which they do not keep; pass it again")
        return pixels if self.order == "bgr" else pixels[..., ::-1]


def from_rows(rows: np.ndarray, labels: Sequence[str], threshold: Threshold) -> Detections:
    """The rows [m, 6] (class, score, x1, y1, x2, y2) that score at least `threshold`; each class has a label."""
    rows = confident(rows, threshold)
    rows = rows[np.argsort(-rows[:, 1], kind="stable")]
    class_ids = rows[:, 0].astype(np.int64)
    names = tuple(labels[i] for i in class_ids.tolist())
    return Detections(rows[:, 2:].astype(np.float32), rows[:, 1].astype(np.float32), class_ids, names)


def to_rows(found: Detections) -> np.ndarray:
    """[n, 6] float32 (class, score, x1, y1, x2, y2)."""
    return np.column_stack([found.class_ids.astype(np.float32), found.scores, found.boxes])
