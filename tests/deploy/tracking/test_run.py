"""`ppdet track` on a small model, with a stand-in for the tracker."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.cli import main
from ppdet.deploy.video import ProgressLine

Run = Callable[..., tuple[int, str, str]]
RESULTS = ["v.avi.counts.json", "v.avi.mp4", "v.avi.tracks.json", "v.avi.tracks.txt"]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """12 bright frames of 96 x 64 pixels, 10 per second; the model finds a dog in the middle of each."""
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for _ in range(12):
        writer.write(np.full((64, 96, 3), 245, np.uint8))
    writer.release()
    return path


@pytest.fixture
def run(small: Path, tmp_path: Path, stand_in: None, capsys: pytest.CaptureFixture[str]) -> Run:
    """(status, stdout, stderr) of `ppdet track` with the small model and --output_dir out."""

    def run(*options: object) -> tuple[int, str, str]:
        model = ["--model", str(small), "--backend", "onnxruntime"]
        status = 0
        try:
            main(["track", *model, "--output_dir", str(tmp_path / "out"), *map(str, options)])
        except SystemExit as end:
            status = int(end.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_a_video(run: Run, video: Path, tmp_path: Path) -> None:
    regions = ("--line", "gate=0,0.1,1,0.1", "--zone", "0.1,0.1 0.9,0.1 0.9,0.9 0.1,0.9")
    status, out, err = run("--video_file", video, *regions)
    assert status == 0
    assert "12 frames\nline gate: in 0, out 0\nzone zone_1: in 0, out 0, now 1\n" in out
    folder = tmp_path / "out"
    assert sorted(path.name for path in folder.iterdir()) == RESULTS
    assert cv2.VideoCapture(str(folder / "v.avi.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 12
    rows = [line.split(",") for line in (folder / "v.avi.tracks.txt").read_text().splitlines()]
    assert [row[:2] for row in rows] == [[str(frame), "1"] for frame in range(2, 13)]
    assert rows[0][2:6] == ["24.00", "16.00", "48.00", "32.00"]
    assert {tuple(row[7:]) for row in rows} == {("2", "-1", "-1")}
    entries = json.loads((folder / "v.avi.tracks.json").read_text())
    assert [list(map(str, (e["frame"], e["track_id"]))) for e in entries] == [row[:2] for row in rows]
    score = entries[0].pop("score")
    assert score == float(rows[0][6]) > 0.9
    dog = {"category_id": 1, "category": "dog", "bbox": [24, 16, 48, 32]}
    assert entries[0] == {"frame": 2, "track_id": 1, **dog}
    assert json.loads((folder / "v.avi.counts.json").read_text()) == {
        "video": str(video),
        "frame_rate": 10,
        "width": 96,
        "height": 64,
        "frames": 12,
        "objects": {"dog": 1},
        "lines": {"gate": {"in": 0, "out": 0, "classes": {}}},
        "zones": {"zone_1": {"in": 0, "out": 0, "seen": 1, "classes": {"dog": {"in": 0, "out": 0, "seen": 1}}}},
    }


def test_tiles_classes_and_nothing_found(run: Run, video: Path, tmp_path: Path) -> None:
    options = ("--slice_infer", "--slice_size", 64, "--classes", "cat", "--frame_rate", 25)
    status, _, _ = run("--video_file", video, *options)
    assert status == 0
    assert json.loads((tmp_path / "out" / "v.avi.tracks.json").read_text()) == []
    counts = json.loads((tmp_path / "out" / "v.avi.counts.json").read_text())
    assert (counts["frames"], counts["frame_rate"], counts["objects"]) == (12, 25, {})


@pytest.mark.parametrize("earlier", [False, True])
def test_ctrl_c(earlier: bool, run: Run, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    if earlier:
        folder.mkdir()
        for name in RESULTS:
            (folder / name).write_bytes(b"whole")

    def interrupted(self: ProgressLine, count: int) -> None:
        if count == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLine, "show", interrupted)
    status, _, err = run("--video_file", video)
    assert status == 130
    assert sorted(path.name for path in folder.iterdir()) == RESULTS
    if earlier:
        assert {path.read_bytes() for path in folder.iterdir()} == {b"whole"}
    else:
        assert cv2.VideoCapture(str(folder / "v.avi.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 7
        rows = (folder / "v.avi.tracks.txt").read_text().splitlines()
        assert [row.split(",")[0] for row in rows] == ["2", "3", "4", "5", "6", "7"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "dog,cow"], "classes: found 'cow'; expected classes of the model: cat, dog"),
        (["--line", "3,3,3,3"], "--line 3,3,3,3: has no length; expected two different points"),
        (
            ["--line", "900,3,990,3"],
            "--line 900,3,990,3: lies outside of the frames of 96 x 64 pixels; expected in pix",
        ),
        (["--zone", "1,1 2,2"], "--zone 1,1 2,2: found 2 points; expected three points or more"),
        (["--line", "a=1,1,2,2", "--line", "a=3,3,4,4"], "--line a=3,3,4,4: --line a=1,1,2,2 has the name a too"),
        (["--frame_rate", "0"], "frame_rate: found 0; expected the frames per second"),
        (["--threshold", "2"], "threshold: found 2.0; expected a score between 0 and 1"),
        (["--slice_infer", "--overlap_ratio", "1"], "tile, overlap: found 640 x 640, 1.0; expected"),
        (["--regions", "none.yml"], "none.yml: cannot be read (No such file or directory)"),
        (["--anchor", "top"], "argument --anchor: invalid choice"),
    ],
)
def test_wrong_options(options: list[str], message: str, run: Run, video: Path, tmp_path: Path) -> None:
    status, _, err = run("--video_file", video, *options)
    assert status == 2
    assert [line for line in err.splitlines() if line.startswith("error: ")][0].startswith(f"error: {message}")
    assert "Traceback" not in err
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "there is no such file"),
        ("text.mp4", b"not a video", "no frame can be read; fetch it again, or convert it"),
        ("empty.mp4", b"", "no frame can be read; fetch it again, or convert it"),
    ],
)
def test_wrong_videos(name: str, content: bytes | None, message: str, run: Run, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    status, _, err = run("--video_file", tmp_path / name)
    assert (status, err) == (2, f"error: {tmp_path / name}: {message}\n")
    assert not (tmp_path / "out").exists()


def test_the_video_itself_is_not_replaced(run: Run, video: Path, tmp_path: Path) -> None:
    source = tmp_path / "out" / "v.mp4"
    source.parent.mkdir()
    source.write_bytes(video.read_bytes())
    status, _, err = run("--video_file", source)
    assert status == 2
    assert "is the input itself and would be replaced" in err


def test_without_the_library(run: Run, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    status, _, err = run("--video_file", video)
    assert (status, err) == (
        2,
        'error: trackers: not installed; pip install "trackers>=2.5", or see docs/tracking.md\n',
    )
