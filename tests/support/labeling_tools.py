"""Writes annotations as labelme, CVAT ("CVAT for images 1.1") and Label Studio (JSON) write them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.datasets import CLASSES, Scene, write_image


def labelme_file(name: str, size: tuple[int, int], shapes: list[dict[str, Any]], data: str | None = None) -> str:
    """The JSON of an image of (height, width)."""
    content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": data}
    return json.dumps(content | {"imageHeight": size[0], "imageWidth": size[1]}, indent=2)


def labelme_shape(label: str, points: list[list[float]], kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}} | more


def write_labelme(root: Path, scenes: Iterable[Scene]) -> None:
    """1.png and 1.json, …; every second file has the image embedded."""
    root.mkdir(parents=True)
    for number, (image, objects) in enumerate(scenes, start=1):
        write_image(root / f"{number}.png", image)
        data = base64.b64encode((root / f"{number}.png").read_bytes()).decode() if number % 2 else None
        shapes = [labelme_shape(CLASSES[index], [[x2, y1], [x1, y2]]) for (x1, y1, x2, y2), index in objects]
        (root / f"{number}.json").write_text(labelme_file(f"{number}.png", image.shape[:2], shapes, data))


def cvat_file(images: str, labels: Iterable[str] = CLASSES) -> str:
    """The XML of a task."""
    items = "".join(f"<label><name>{name}</name><type>any</type><attributes></attributes></label>" for name in labels)
    meta = f"<meta><task><name>t</name><mode>annotation</mode><labels>{items}</labels></task></meta>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{images}</annotations>'


def cvat_image(name: str, size: tuple[int, int], shapes: str) -> str:
    return f'<image id="0" name="{name}" width="{size[1]}" height="{size[0]}">{shapes}</image>'


def write_cvat(root: Path, scenes: Iterable[Scene]) -> None:
    """annotations.xml and images/1.png, …"""
    (root / "images").mkdir(parents=True)
    text = ""
    for number, (image, objects) in enumerate(scenes, start=1):
        write_image(root / "images" / f"{number}.png", image)
        shapes = "".join(
            f'<box label="{CLASSES[index]}" source="manual" occluded="0" xtl="{x1:.2f}" ytl="{y1:.2f}" '
            f'xbr="{x2:.2f}" ybr="{y2:.2f}" z_order="0"></box>'
            for (x1, y1, x2, y2), index in objects
        )
        text += cvat_image(f"{number}.png", image.shape[:2], shapes)
    (root / "annotations.xml").write_text(cvat_file(text))


def studio_result(value: dict[str, Any], size: tuple[int, int], kind: str = "rectanglelabels") -> dict[str, Any]:
    sizes = {"original_width": size[1], "original_height": size[0], "image_rotation": 0}
    return {"id": "a1", "type": kind, "from_name": "label", "to_name": "image", "value": value} | sizes


def studio_task(image: str, results: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    annotation = {"id": 1, "was_cancelled": False, "ground_truth": False, "result": results}
    return {"id": 1, "annotations": [annotation | more], "data": {"image": image}, "predictions": []}


def write_label_studio(root: Path, scenes: Iterable[Scene]) -> None:
    """export.json and images/1.png, …, which were uploaded."""
    (root / "images").mkdir(parents=True)
    tasks = []
    for number, (image, objects) in enumerate(scenes, start=1):
        write_image(root / "images" / f"{number}.png", image)
        size = height, width = image.shape[:2]
        results = []
        for (x1, y1, x2, y2), index in objects:
            value = {"x": x1 / width * 100, "y": y1 / height * 100, "rotation": 0, "rectanglelabels": [CLASSES[index]]}
            value |= {"width": (x2 - x1) / width * 100, "height": (y2 - y1) / height * 100}
            results.append(studio_result(value, size))
        tasks.append(studio_task(f"/data/upload/3/1a2b3c4d-{number}.png", results))
    (root / "export.json").write_text(json.dumps(tasks))
