"""tools/infer.py: pictures with boxes, of any kind of image."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.datasets import draw_scene
from tests.support.workspaces import Tools, Workspace


def options(coco: Workspace, weights: Path, source: Path, out: Path) -> list[object]:
    """The arguments that draw the boxes of `source`, an image or a folder, into `out`."""
    kind = "--infer_dir" if source.is_dir() else "--infer_img"
    return ["-c", coco.config, "-o", f"weights={weights}", kind, source, "--output_dir", out]


def size(path: Path) -> tuple[int, ...]:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape


def test_one_image(tools: Tools, coco: Workspace, weights: Path) -> None:
    image = coco.root / "wide.jpg"
    cv2.imwrite(str(image), np.full((30, 90, 3), 99, np.uint8))
    out = coco.root / "out"
    _, log = tools.run("infer", *options(coco, weights, image, out), "--draw_threshold", 0.2)
    assert [path.name for path in out.iterdir()] == ["wide.jpg"]
    assert size(out / "wide.jpg") == (30, 90, 3)
    assert "boxes, threshold 0.20" in log
    assert cv2.imread(str(out / "wide.jpg")).std() > 20  # something was drawn


def test_a_folder_with_results(tools: Tools, coco: Workspace, weights: Path) -> None:
    out = coco.root / "out"
    (coco.data / "val" / "notes.txt").write_text("no image")
    tools.run("infer", *options(coco, weights, coco.data / "val", out), "--save_results")
    assert {path.name for path in out.iterdir()} == {"1.png", "2.png", "3.png", "4.png", "bbox.json"}
    assert {size(path) for path in out.glob("*.png")} == {(48, 64, 3)}
    found = json.loads((out / "bbox.json").read_text())
    assert {entry["file_name"] for entry in found} <= {"1.png", "2.png", "3.png", "4.png"}
    assert {entry["category_id"] for entry in found} <= {11, 12, 13}


def save_rotated_jpeg(path: Path) -> None:
    """48 x 64 pixels with the EXIF mark "turn by 90 degrees"."""
    data = cv2.imencode(".jpg", draw_scene(0)[0])[1].tobytes()
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"  # orientation = 6
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + entry + b"\x00\x00\x00\x00"
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])


ODD_IMAGES: dict[str, tuple[str, Callable[[Path], object], tuple[int, int]]] = {
    "grey": ("a.png", lambda path: cv2.imwrite(str(path), draw_scene(0)[0][..., 0]), (48, 64)),
    "with alpha": ("a.png", lambda path: cv2.imwrite(str(path), np.full((48, 64, 4), 90, np.uint8)), (48, 64)),
    "16 bit": ("a.png", lambda path: cv2.imwrite(str(path), draw_scene(0)[0].astype(np.uint16) * 257), (48, 64)),
    "grey 16 bit": ("a.tif", lambda path: cv2.imwrite(str(path), np.full((48, 64), 9999, np.uint16)), (48, 64)),
    "rotated": ("a.jpg", save_rotated_jpeg, (64, 48)),
    "one pixel": ("a.png", lambda path: cv2.imwrite(str(path), np.full((1, 1, 3), 90, np.uint8)), (1, 1)),
    "a thin strip": ("a.bmp", lambda path: cv2.imwrite(str(path), np.full((2, 300, 3), 90, np.uint8)), (2, 300)),
    "an upper-case name": ("a b.JPG", lambda path: cv2.imwrite(str(path), draw_scene(0)[0]), (48, 64)),
}


@pytest.mark.parametrize("kind", ODD_IMAGES)
def test_odd_images(kind: str, tools: Tools, coco: Workspace, weights: Path) -> None:
    name, make, (height, width) = ODD_IMAGES[kind]
    make(coco.root / name)
    tools.run("infer", *options(coco, weights, coco.root / name, coco.root / "out"))
    assert size(coco.root / "out" / name) == (height, width, 3)

    # the same image in an evaluation
    content = coco.annotations("val")
    shutil.copy(coco.root / name, coco.data / "val" / name)
    content["images"][0] |= {"file_name": name, "height": height, "width": width}
    coco.annotate("val", content)
    tools.run("eval", "-c", coco.config, "-o", f"weights={weights}")


def test_images_that_cannot_be_used_are_named_and_passed_over(
    tools: Tools, coco: Workspace, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = coco.data / "val", coco.root / "out"
    (folder / "0.jpg").write_text("no image")
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:500])
    os.mkfifo(folder / "3.jpg")
    strip = cv2.imencode(".png", np.full((8, 70_000, 3), 90, np.uint8))[1].tobytes()
    (folder / "4.jpg").write_bytes(strip)
    (folder / "5.png").symlink_to("nowhere")
    with pytest.raises(SystemExit) as exit_:
        tools.run("infer", *options(coco, weights, folder, out), "--save_results")
    assert exit_.value.code == 1
    log = capsys.readouterr().err
    damaged = "not an image that can be decoded; fetch it again or leave it out"
    for line in (
        f"{folder}/0.jpg: {damaged}",
        f"{folder}/2.png: {damaged}",
        f"{folder}/3.jpg: found a pipe; expected an image file; check the name",
        f"{out}/4.jpg: 70000 x 8 pixels cannot be written as .jpg; convert the image to PNG",
        f"{folder}/5.png: cannot be read (No such file or directory); check the name",
        f"{folder}: 5 of 8 images could not be read or written",
    ):
        assert log.count(line) == 1, line
    assert {path.name for path in out.iterdir()} == {"1.png", "3.png", "4.png", "bbox.json"}
    names = {entry["file_name"] for entry in json.loads((out / "bbox.json").read_text())}
    assert names == {"1.png", "3.png", "4.png", "4.jpg"}


def test_a_folder_of_which_no_image_can_be_read(tools: Tools, coco: Workspace, weights: Path) -> None:
    for path in (coco.data / "val").iterdir():
        path.write_bytes(path.read_bytes()[:300])
    error = tools.fail("infer", *options(coco, weights, coco.data / "val", coco.root / "out"))
    assert error == f"{coco.data}/val: none of its 4 images can be read; see the lines above"


@pytest.mark.parametrize("source", ["/dev/zero", "pipe", "http://127.0.0.1/a.jpg", "cut.jpg"])
def test_one_image_that_is_none(source: str, tools: Tools, coco: Workspace, weights: Path) -> None:
    os.mkfifo(coco.root / "pipe")
    (coco.root / "cut.jpg").write_bytes(cv2.imencode(".jpg", draw_scene(0)[0])[1].tobytes()[:-40])
    image = source if source[0] in "/h" else coco.root / source
    error = tools.fail("infer", "-c", coco.config, "-o", f"weights={weights}", "--infer_img", image)
    found = {
        "/dev/zero": "found a device; expected an image file; check the name",
        "pipe": "found a pipe; expected an image file; check the name",
        "cut.jpg": "the JPEG is cut short; fetch it again or leave it out",
    }
    address = "found an address; expected an image or a folder of images; fetch it first"
    assert error == f"{image}: {found.get(source, address)}"


def test_class_names_without_any_file(tools: Tools, coco: Workspace, weights: Path) -> None:
    nameless = ["TestDataset.anno_path=none.json", "EvalDataset.dataset_dir=none"]
    tools.run("infer", *options(coco, weights, coco.data / "train", coco.root / "out"), "-o", *nameless)
    assert len(list((coco.root / "out").iterdir())) == 6


@pytest.mark.parametrize("threshold", [-0.1, 1.5, "nan"])
def test_impossible_threshold(threshold: float | str, tools: Tools, coco: Workspace) -> None:
    error = tools.fail("infer", "-c", coco.config, "--infer_dir", coco.data / "val", f"--draw_threshold={threshold}")
    assert error == f"--draw_threshold: expected a score between 0 and 1, found {float(threshold)}"


@pytest.mark.parametrize("option", ["--infer_img", "--infer_dir"])
def test_missing_source(option: str, tools: Tools, coco: Workspace) -> None:
    error = tools.fail("infer", "-c", coco.config, option, coco.root / "none")
    assert error == f"{coco.root}/none: there is no such file or folder; give an image or a folder of images"


def test_folder_without_images(tools: Tools, coco: Workspace) -> None:
    (coco.root / "texts").mkdir()
    (coco.root / "texts" / "a.txt").write_text("a")
    error = tools.fail("infer", "-c", coco.config, "--infer_dir", coco.root / "texts")
    assert error.startswith(f"{coco.root}/texts: holds no images (.jpg, ")


def test_pictures_never_replace_the_images(tools: Tools, coco: Workspace, weights: Path) -> None:
    folder = coco.data / "val"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    error = tools.fail("infer", *options(coco, weights, folder, folder))
    assert error.startswith(f"--output_dir: {folder}/1.png is the input itself")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_output_folder_that_cannot_be_made(tools: Tools, coco: Workspace, weights: Path) -> None:
    (coco.root / "file").write_text("mine")
    error = tools.fail("infer", *options(coco, weights, coco.data / "val", coco.root / "file"))
    assert error.startswith(f"{coco.root}/file/1.png: cannot be written (")
    assert (coco.root / "file").read_text() == "mine"
