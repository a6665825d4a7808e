"""The C++ command line against the Python one, which has the same flags."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.deploy.conftest import make_model
from tests.deploy_cpp.conftest import run
from tests.support.workspaces import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and images of several kinds: a turned one, a gray one, one with alpha."""
    folder = tmp_path_factory.mktemp("images")
    make_model(folder / "export" / "model.onnx")
    rng = np.random.default_rng(0)
    (folder / "in").mkdir()
    for name, shape in (("a.jpg", (90, 120, 3)), ("b.png", (70, 50)), ("c.png", (64, 64, 4)), ("d.webp", (40, 200, 3))):
        assert cv2.imwrite(str(folder / "in" / name), rng.integers(150, 256, shape, np.uint8))
    turned = folder / "in" / "e.webp"
    turned.write_bytes(with_orientation((folder / "in" / "d.webp").read_bytes(), 40, 200))
    return folder


def with_orientation(webp: bytes, height: int, width: int) -> bytes:
    """A WebP file of one chunk as one with EXIF, which turns it by a quarter to the right."""
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"VP8X\x0a\0\0\0\x08\0\0\0" + size + webp[12:] + b"EXIF" + len(exif).to_bytes(4, "little") + exif
    return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks


def both(release: Path, output: Path, *options: str | Path) -> list[tuple[int, str, Any]]:
    """(status, output, bbox.json) of the command lines in C++ and in Python."""
    results = []
    for name, program in (
        ("cpp", [release / "bin" / "picodet"]),
        ("py", [sys.executable, ROOT / "deploy/python/infer.py"]),
    ):
        done = run(*program, *options, "--backend", "openvino", "--output_dir", output / name)
        file = output / name / "bbox.json"
        results.append(
            (done.returncode, done.stdout + done.stderr, json.loads(file.read_text()) if file.is_file() else None)
        )
    return results


@pytest.mark.parametrize("more", [[], ["--batch_size=3"], ["--slice_infer", "--slice_size", "64", "40"]])
def test_bbox_json_is_that_of_python(release: Path, folder: Path, tmp_path: Path, more: list[str]) -> None:
    flags = [
        "--model_dir",
        folder / "export",
        "--image_dir",
        folder / "in",
        "--save_results",
        "--threshold",
        "0.3",
        *more,
    ]
    (status, said, ours), (_, _, theirs) = both(release, tmp_path, *flags)
    assert status == 0, said
    assert len(ours) == len(theirs) >= 5
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.pop("bbox") == pytest.approx(other.pop("bbox"), abs=1e-3)
        assert mine.pop("score") == pytest.approx(other.pop("score"), abs=1e-6)
        assert mine == other
    drawn = cv2.imread(str(tmp_path / "cpp" / "b.png"))
    assert drawn.shape == (70, 50, 3)
    assert np.array_equal(drawn, cv2.imread(str(tmp_path / "py" / "b.png"))) or drawn.std() > 20


def test_unreadable_images_are_named_and_the_others_go_on(release: Path, folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "in"
    images.mkdir()
    data = (folder / "in" / "a.jpg").read_bytes()
    for name, content in (
        ("cut.jpg", data[: len(data) // 2]),
        ("empty.png", b""),
        ("text.png", b"hello"),
        ("ok.jpg", data),
    ):
        (images / name).write_bytes(content)
    for status, said, _ in both(release, tmp_path, "--model", folder / "export", "--image_dir", images):
        assert status == 1
        for name in ("cut.jpg", "empty.png", "text.png"):
            assert f"error: {images / name}: " in said
        assert "3 of 4 images could not be read" in said


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--image", "none.jpg"], "none.jpg"),
        (["--image", "http://a/b.jpg"], "found the address"),
        (["--image", "a.jpg", "--threshold", "2"], "threshold"),
        (["--image", "a.jpg", "--benchmark", "--slice_infer"], "--slice_infer: --benchmark"),
        (["--image_dir", "."], "holds no images"),
        (["--video_file", "none.mp4"], "none.mp4: there is no such file"),
        (["--image", "a.jpg", "--image_dir", "b"], ""),
        (["--image", "a.jpg", "--treshold", "1"], "--treshold"),
        ([], ""),
    ],
)
def test_mistakes_end_with_status_2(
    release: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for status, said, _ in both(release, tmp_path / "out", "--model", folder / "export", *options):
        assert status == 2
        assert problem in said


def test_video(release: Path, folder: Path, tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "in.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (96, 64))
    for i in range(12):
        writer.write(np.full((64, 96, 3), 120 + 10 * i, np.uint8))
    writer.release()
    flags = ["--model", folder / "export", "--video_file", tmp_path / "in.mp4"]
    for (status, said, _), name in zip(both(release, tmp_path, *flags), ("cpp", "py"), strict=True):
        assert status == 0, said
        assert "12 frames" in said
        capture = cv2.VideoCapture(str(tmp_path / name / "in.mp4"))
        assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 12
        assert capture.read()[1].shape == (64, 96, 3)
    assert not list((tmp_path / "cpp").glob(".*"))


def test_benchmark_prints_a_time_for_each_stage(release: Path, folder: Path, tmp_path: Path) -> None:
    flags = ["--model", folder / "export", "--image", folder / "in" / "a.jpg", "--benchmark", "--threads", "1"]
    done = run(release / "bin" / "picodet", *flags)
    assert done.returncode == 0, done.stderr
    for stage in ("decode", "preprocess", "network", "post", "total"):
        assert stage in done.stdout
