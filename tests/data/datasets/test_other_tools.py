"""Sets that other people's tools convert from COCO, read back: the same boxes and the same scores as from COCO.

Each tool is used if it is installed: `pip install datumaro globox supervision pylabel label-studio-sdk`. The writers in
tests/support write the same layouts for the other tests.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.data.datasets import COCODataSet, Dataset
from ppdet.data.datasets.auto import find_format
from ppdet.data_edit.convert import write as write_part
from ppdet.data_edit.read import read_parts
from ppdet.metrics import build_metric
from tests.support.datasets import noise_scenes, write_coco

Writer = Callable[[Path, Path, Path], None]  # COCO file, folder of images, new folder


def datumaro(kind: str) -> Writer:
    """The formats of Intel's datumaro; it names the split after the COCO file."""

    def convert(annotations: Path, images: Path, root: Path) -> None:
        tool, source = pytest.importorskip("datumaro"), root.with_name("source")
        (source / "annotations").mkdir(parents=True)
        shutil.copy(annotations, source / "annotations" / "instances_train.json")
        (source / "images").mkdir()
        (source / "images" / "train").symlink_to(images)
        if kind == "yolo_ultralytics":  # which wants a second split
            shutil.copy(annotations, source / "annotations" / "instances_val.json")
            (source / "images" / "val").symlink_to(images)
        tool.Dataset.import_from(str(source), "coco_instances").export(str(root), kind, save_media=True)

    return convert


def globox(save: str, name: str) -> Writer:
    """The formats of globox, which writes annotations alone; the images are linked beside them."""

    def convert(annotations: Path, images: Path, root: Path) -> None:
        tool = pytest.importorskip("globox").AnnotationSet.from_coco(annotations)
        root.mkdir(parents=True)
        classes = [each["name"] for each in read(annotations)["categories"]]
        ids = {"label_to_id": {label: index for index, label in enumerate(classes)}} if save == "save_yolo_v5" else {}
        getattr(tool, save)(root / name, **ids)
        link_all(images, root if save == "save_labelme" else root / "images")
        if save == "save_yolo_v5":
            (root / "classes.txt").write_text("\n".join(classes))

    return convert


def supervision(kind: str) -> Writer:
    """The formats of Roboflow's supervision."""

    def convert(annotations: Path, images: Path, root: Path) -> None:
        tool = pytest.importorskip("supervision").DetectionDataset.from_coco(str(images), str(annotations))
        if kind == "yolo":
            paths = {"images_directory_path": "train/images", "annotations_directory_path": "train/labels"}
            tool.as_yolo(**{key: str(root / path) for key, path in paths.items()}, data_yaml_path=f"{root}/data.yaml")
        else:
            names = {"voc": ("images", "annotations"), "labelme": (".", ".")}[kind]
            save = {"voc": tool.as_pascal_voc, "labelme": tool.as_labelme}[kind]
            save(*(str(root / name) for name in names))

    return convert


def pylabel(kind: str) -> Writer:
    def convert(annotations: Path, images: Path, root: Path) -> None:
        tool = pytest.importorskip("pylabel.importer").ImportCoco(str(annotations), path_to_images=str(images))
        root.mkdir(parents=True)
        if kind == "yolo":
            tool.path_to_annotations = str(root / "labels")
            tool.export.ExportToYoloV5(output_path=str(root / "labels"), cat_id_index=0)
            link_all(images, root / "images")
            return
        tool.export.ExportToVoc(output_path=str(root / "annotations"))
        link_all(images, root / "images")

    return convert


def label_studio(annotations: Path, images: Path, root: Path) -> None:
    """The tasks that Label Studio's converter makes for an import; an export calls their predictions annotations."""
    tool = pytest.importorskip("label_studio_sdk.converter.imports.coco")
    root.mkdir(parents=True)
    tool.convert_coco_to_ls(str(annotations), str(root / "tasks.json"), out_type="annotations")
    link_all(images, root / "images")


WHOLE_PIXELS = ("supervision-voc", "pylabel-voc")  # these cut fractions off
BOXES_ONLY = ("datumaro-open_images",)  # a table of boxes, which images without any are not in
FOUR_DECIMALS = ("pylabel-yolo",)  # 0.05 pixels: the boxes differ by so much, and the scores by a threshold's crossing
OPTIONS = {"supervision-voc": {"first_pixel": 1}}
WRITERS: dict[str, Writer] = {
    "datumaro-cvat": datumaro("cvat"),
    "datumaro-voc": datumaro("voc_detection"),
    "datumaro-yolo": datumaro("yolo"),
    "datumaro-ultralytics": datumaro("yolo_ultralytics"),
    "datumaro-open_images": datumaro("open_images"),
    "datumaro-coco": datumaro("coco_instances"),
    "globox-labelme": globox("save_labelme", "."),
    "globox-cvat": globox("save_cvat", "annotations.xml"),
    "globox-voc": globox("save_pascal_voc", "annotations"),
    "globox-yolo": globox("save_yolo_v5", "labels"),
    "supervision-yolo": supervision("yolo"),
    "supervision-voc": supervision("voc"),
    "supervision-labelme": supervision("labelme"),
    "pylabel-yolo": pylabel("yolo"),
    "pylabel-voc": pylabel("voc"),
    "label_studio": label_studio,
}


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def link_all(images: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for image in images.iterdir():
        (folder / image.name).symlink_to(os.path.realpath(image))


def source(kind: str, folder: Path, shared: Callable[[], Path]) -> tuple[Path, Path]:
    """A COCO file without crowds and outlines, which the other formats do not have, and the folder of its images."""
    images = folder / "images"
    if kind == "generated":
        write_coco(folder / "train.json", images, noise_scenes(6))
    else:
        data = shared() / "data" / kind
        (part,) = read_parts(data, ["val"])
        images.mkdir()
        for picture in part.pictures:
            shutil.copy(picture.file, images)
        write_part(folder / "coco", [part], "coco")
    content = read(folder / "train.json" if kind == "generated" else folder / "coco" / "val.json")
    content["annotations"] = [each for each in content["annotations"] if not each["iscrowd"] and min(each["bbox"][2:])]
    for each in content["images"]:
        each["file_name"] = Path(each["file_name"]).name
    for each in content["annotations"]:
        each["segmentation"], each["area"] = [], each["bbox"][2] * each["bbox"][3]
    (folder / "train.json").write_text(json.dumps(content))
    return folder / "train.json", images


def in_whole_pixels(path: Path) -> None:
    content = read(path)
    for each in content["annotations"]:
        x, y, width, height = each["bbox"]
        x1, y1, x2, y2 = round(x), round(y), max(round(x + width), round(x) + 1), max(round(y + height), round(y) + 1)
        each["bbox"] = [x1, y1, x2 - x1, y2 - y1]
        each["area"] = each["bbox"][2] * each["bbox"][3]
    path.write_text(json.dumps(content))


def objects_of(dataset: Dataset) -> dict[str, list[tuple[str, np.ndarray]]]:
    """The class and the box of each object, by the name of the image."""
    names = [category.name for category in dataset.categories]
    return {
        Path(record.im_file).stem: [
            (names[index], box) for index, box in zip(record.gt_class.ravel().tolist(), record.gt_bbox, strict=True)
        ]
        for record in dataset.records
    }


def assert_same_objects(found: list[tuple[str, np.ndarray]], expected: list[tuple[str, np.ndarray]]) -> None:
    """In any order."""
    left = list(found)
    for name, box in expected:
        distance, nearest = min((np.abs(other - box).max(), i) for i, (kind, other) in enumerate(left) if kind == name)
        assert distance <= 0.5
        del left[nearest]
    assert left == []


def scores(dataset: Dataset, detections: dict[str, list[tuple[str, np.ndarray]]]) -> dict[str, float]:
    judge = build_metric("COCO", dataset)
    index = {category.name: number for number, category in enumerate(dataset.categories)}
    for record in dataset.records:
        rng = np.random.default_rng(list(Path(record.im_file).stem.encode()))
        rows = [
            [index[name], rng.random(), *(box + rng.normal(0, 6, 4))]
            for name, box in detections.get(Path(record.im_file).stem, ())
        ]
        judge.update(record.im_id, np.array(rows).reshape(-1, 6))
    return judge.compute()


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("kind", ["generated", "coco_tiny", "bccd"])
def test_read_back(name: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    annotations, images = source(kind, tmp_path, lambda: request.getfixturevalue("shared"))
    if name in WHOLE_PIXELS:
        in_whole_pixels(annotations)
    coco = COCODataSet(str(tmp_path), "images", "train.json", allow_empty=True)
    WRITERS[name](annotations, images, tmp_path / "set")
    kinds, parts = find_format(tmp_path / "set")
    options = parts[0].options | OPTIONS.get(name, {})
    dataset = kinds(**{"dataset_dir": str(tmp_path / "set"), "allow_empty": True} | options)
    dataset.expected_classes = [category.name for category in coco.load().categories]
    ours, theirs = objects_of(dataset.load()), objects_of(coco)
    if name in BOXES_ONLY:
        theirs = {image: objects for image, objects in theirs.items() if objects}
    assert set(ours) == set(theirs)
    for image, objects in theirs.items():
        assert_same_objects(ours[image], objects)
    expected = scores(coco, theirs)
    assert scores(dataset, theirs) == pytest.approx(expected, abs=2e-2 if name in FOUR_DECIMALS else 1e-6)
    assert 0.1 < expected["AP"] < 0.9
