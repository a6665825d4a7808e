from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "dataset" / "demo" / "make_demo.py"


def make(output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--output", str(output), "--train", "12", "--val", "5", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("demo")
    assert make(output).returncode == 0
    return output


def load(demo: Path, split: str) -> dict:
    return json.loads((demo / "annotations" / f"instances_{split}.json").read_text())


@pytest.mark.parametrize(("split", "count"), [("train", 12), ("val", 5)])
def test_annotations_fit_the_images(demo: Path, split: str, count: int) -> None:
    content = load(demo, split)
    images = {image["id"]: image for image in content["images"]}
    assert len(images) == len(list((demo / split).iterdir())) == count
    for image in images.values():
        picture = cv2.imread(str(demo / split / image["file_name"]))
        assert picture.shape == (image["height"], image["width"], 3)
    ids = {category["id"] for category in content["categories"]}
    assert len(ids) == 10
    assert min(ids) > 0
    assert max(ids) > 10
    for number, item in enumerate(content["annotations"], start=1):
        x, y, w, h = item["bbox"]
        image = images[item["image_id"]]
        assert item["id"] == number
        assert item["category_id"] in ids
        assert min(x, y) >= 0
        assert min(w, h) > 8
        assert x + w <= image["width"]
        assert y + h <= image["height"]
        assert 0 < item["area"] <= w * h


def test_splits_share_no_image(demo: Path) -> None:
    train, val = ({image["id"] for image in load(demo, split)["images"]} for split in ("train", "val"))
    assert not train & val


def test_same_arguments_same_set(demo: Path, tmp_path: Path) -> None:
    make(tmp_path)
    for split in ("train", "val"):
        assert load(tmp_path, split) == load(demo, split)
        for path in (demo / split).iterdir():
            assert path.read_bytes() == (tmp_path / split / path.name).read_bytes()


def test_second_run_does_nothing_and_other_arguments_rebuild(tmp_path: Path) -> None:
    make(tmp_path)
    before = load(tmp_path, "train")
    again = make(tmp_path)
    assert "already complete" in again.stdout
    assert load(tmp_path, "train") == before
    next((tmp_path / "val").iterdir()).unlink()
    assert "written" in make(tmp_path).stdout
    assert len(list((tmp_path / "val").iterdir())) == 5
    assert "written" in make(tmp_path, "--seed", "1").stdout
    assert load(tmp_path, "train") != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotations", "demo_manifest.json", "train", "val"]


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--output", str(tmp_path / "demo"), "--train", "5000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("demo/.demo-*/train/*.jpg")):  # until the workers are at work
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "interrupted; run it again\n"
    assert list((tmp_path / "demo").iterdir()) == []


def test_home_folder(tmp_path: Path) -> None:
    home = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, str(SCRIPT), "--output=~/demo", "--train", "1", "--val", "1"]
    subprocess.run(command, env=home, cwd=tmp_path, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_folders_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "mine.jpg").write_text("")
    result = make(tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert "give another --output" in result.stderr
    assert (tmp_path / "train" / "mine.jpg").exists()


def test_the_picture_that_the_docs_name_is_in_the_validation_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from make_demo import Parameters, image_ids

    pictures = re.findall(r"dataset/demo/val/(\d+)\.jpg", (SCRIPT.parents[2] / "docs" / "deploy.md").read_text())
    assert pictures
    assert set(map(int, pictures)) <= set(image_ids(Parameters())["val"].tolist())


def test_scenes_have_empty_images_crowds_and_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from scenes import NAMES, make_scene

    scenes = [make_scene(np.random.default_rng([0, 0, i])) for i in range(120)]
    objects = [item for _, items in scenes for item in items]
    assert {item.name for item in objects} == set(NAMES)
    assert any(item.iscrowd for item in objects)
    assert any(not items for _, items in scenes)
    sizes = [max(item.bbox[2:]) for item in objects if not item.iscrowd]
    assert min(sizes) >= 15
    assert 40 < np.median(sizes) < 80
    assert max(sizes) < 170
