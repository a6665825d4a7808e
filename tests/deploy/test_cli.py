"""The command line: pictures, folders, videos, mistakes."""

from __future__ import annotations

import ast
import contextlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.deploy import labels
from ppdet.deploy.cli import main, parser
from ppdet.deploy.video import ProgressLine, stream_name
from tests.deploy.conftest import INFER_CFG, make_model

FOLDER = Path(__file__).resolve().parents[2] / "ppdet" / "deploy"
SMALL = {"MNN", "ai_edge_litert", "ncnn"}  # runtimes of phones and boards
ALLOWED = {"numpy", "cv2", "yaml", "openvino", "onnxruntime", "paddle", "supervision", "trackers", *SMALL}


def picture(path: Path, value: int = 250, size: tuple[int, int] = (100, 200)) -> Path:
    cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))
    return path


def video(path: Path, frames: int = 20) -> Path:
    """Frames of random noise, which do not compress, so that half of the file has about half of them."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    assert writer.isOpened()
    rng = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(rng.integers(200, 255, (64, 96, 3), np.uint8))
    writer.release()
    return path


@pytest.fixture
def run(small, tmp_path, capsys):
    """(status, stdout, stderr) of a command line, with the small model and --output_dir out."""

    def run(*options):
        status = main(
            [
                "--model",
                str(small),
                "--backend",
                "onnxruntime",
                "--output_dir",
                str(tmp_path / "out"),
                *map(str, options),
            ]
        )
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_help_names_the_command_that_was_given(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/deploy/__main__.py"])
    assert parser().prog == "python3 -m ppdet.deploy"
    monkeypatch.setattr(sys, "argv", ["deploy/python/infer.py"])
    assert parser().prog == "infer.py"


def test_help_names_every_backend_and_file():
    found = " ".join(parser().format_help().split())
    assert "openvino, onnxruntime, paddle, ncnn, mnn, tflite or auto" in found
    assert "(.xml, .onnx, .json, .pdmodel, .param, .mnn, .tflite)" in found


def test_one_image(run, tmp_path):
    status, out, err = run("--image_file", picture(tmp_path / "a.png"), "--save_results")
    assert (status, err) == (0, "")
    assert "a.png: 1 boxes" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "bbox.json"]
    drawn = cv2.imread(str(tmp_path / "out" / "a.png"))
    assert drawn.shape == (100, 200, 3)
    assert np.abs(drawn[60, 50].astype(int) - 250).max() > 50  # the box's left side
    assert (drawn[60, 100] == 250).all()  # inside of it
    (entry,) = json.loads((tmp_path / "out" / "bbox.json").read_text())
    assert entry["bbox"] == pytest.approx([50, 25, 100, 50])
    assert (entry["file_name"], entry["category_id"], entry["category"]) == ("a.png", 1, "dog")


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_unreadable_image_is_named_and_skipped(batch_size, run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, value in (("a.png", 250), ("c.jpg", 5), ("d.ppm", 250)):
        picture(folder / name, value)
    (folder / "b.jpg").write_text("no image")
    status, out, err = run("--image_dir", folder, "--save_results", "--batch_size", batch_size)
    assert status == 1
    assert err.splitlines() == [
        f"error: {folder / 'b.jpg'}: not an image that can be decoded; fetch it again or leave it out",
        "error: 1 of 4 images could not be read",
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "bbox.json", "c.jpg", "d.ppm.png"]
    entries = json.loads((tmp_path / "out" / "bbox.json").read_text())
    assert [(entry["image_id"], entry["file_name"]) for entry in entries] == [(0, "a.png"), (3, "d.ppm")]


def test_published_switches(run, tmp_path):
    image = picture(tmp_path / "a.png", size=(300, 300))
    status, out, _ = run(
        "--image_file",
        image,
        "--slice_infer",
        "--slice_size",
        "150",
        "150",
        "--overlap_ratio",
        "0.0",
        "0.0",
        "--device",
        "CPU",
        "--cpu_threads",
        "1",
        "--run_benchmark=False",
        "--threshold",
        "0.4",
    )
    assert status == 0
    assert "5 boxes" in out  # four tiles and the whole


def test_thresholds_of_the_model_unless_a_number_is_given(run, small, tmp_path):
    make_model(small, INFER_CFG | {"thresholds": [0.2, 0.99]})
    image = picture(tmp_path / "a.png")
    for options, shown, count in (
        ((), "thresholds of the classes 0.20 to 0.99", 0),
        (("--threshold", "model"), "thresholds of the classes 0.20 to 0.99", 0),
        (("--threshold", "model", "--slice_infer", "--slice_size", "64"), "thresholds of the classes", 0),
        (("--threshold", "0.5"), "threshold 0.50", 1),
    ):
        status, out, _ = run("--image", image, *options)
        assert (status, shown in out, f"{count} boxes" in out) == (0, True, True)


def test_a_threshold_is_a_number_or_model(run, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("--image", "x.jpg", "--threshold", "high")
    assert "--threshold: expected a number of 0 to 1, or model; found 'high'" in capsys.readouterr().err


def test_flags_without_effect_are_named(run, tmp_path):
    image = picture(tmp_path / "a.png")
    status, out, err = run(
        "--image",
        image,
        "--device",
        "GPU",
        "--run_mode=trt_fp16",
        "--enable_mkldnn=True",
        "--trt_max_shape",
        640,
        "--save_images=False",
    )
    assert (status, err) == (
        0,
        "notice: no effect here: --device gpu, --run_mode trt_fp16, --trt_max_shape 640; it runs on the CPU\n",
    )
    assert f"{image}: 1 boxes" in out
    assert not (tmp_path / "out").exists()


def test_benchmark(run, tmp_path):
    status, out, _ = run("--image", picture(tmp_path / "a.png"), "--run_benchmark=True")
    assert status == 0
    assert "decode" in out
    assert not (tmp_path / "out").exists()


def test_video(run, tmp_path):
    status, out, err = run("--video_file", video(tmp_path / "v.avi"))
    assert status == 0
    assert "20 frames" in out
    assert "v.avi: 20 of 20 frames" in err
    capture = cv2.VideoCapture(str(tmp_path / "out" / "v.avi.mp4"))
    frames = 0
    while capture.read()[0]:
        frames += 1
    assert frames == 20
    assert capture.get(cv2.CAP_PROP_FPS) == 10


def test_a_video_that_ends_early(run, tmp_path):
    path = video(tmp_path / "v.avi")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    status, _, err = run("--video_file", path)
    assert status == 2
    assert f"error: {path}: ends after " in err
    assert " of 20 frames" in err
    assert (tmp_path / "out" / "v.avi.mp4").stat().st_size > 0


@pytest.mark.parametrize("earlier", [None, b"whole"])
def test_ctrl_c_in_a_video(earlier, run, tmp_path, monkeypatch):
    path, target = video(tmp_path / "v.avi"), tmp_path / "out" / "v.avi.mp4"
    if earlier:
        target.parent.mkdir()
        target.write_bytes(earlier)

    def interrupted(self: ProgressLine, count: int) -> None:
        if count == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLine, "show", interrupted)
    status, _, err = run("--video_file", path)
    assert status == 130
    if earlier:
        assert f"interrupted: after 7 frames, which are not kept; {target} is as it was\n" in err
        assert [(each, each.read_bytes()) for each in target.parent.iterdir()] == [(target, earlier)]
    else:
        assert f"interrupted: the first 7 frames are in {target}\n" in err
        assert cv2.VideoCapture(str(target)).get(cv2.CAP_PROP_FRAME_COUNT) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image", "none.jpg"], "none.jpg: cannot be read"),
        (["--image_dir", "none"], "none: there is no such file or folder"),
        (["--video_file", "none.mp4"], "none.mp4: there is no such file"),
        (["--video_file", __file__], "test_cli.py: no frame can be read"),
        (["--camera_id", "99"], "camera 99: no frame can be read; check --camera_id"),
        (
            ["--video_file", "rtsp://me:secret@127.0.0.1:1/cam"],
            "rtsp://127.0.0.1:1/cam: no frame can be read; check the",
        ),
        (["--video_file", "http://127.0.0.1:1/a.mp4"], "http://127.0.0.1:1/a.mp4: no frame can be read; check the"),
        (
            ["--image", "http://127.0.0.1:1/a.jpg"],
            "--image: found the address http://127.0.0.1:1/a.jpg; expected a path",
        ),
        (["--image_dir", "ftp://127.0.0.1/a"], "--image_dir: found the address ftp://127.0.0.1/a; expected a path"),
        (["--image", "x.jpg", "--benchmark", "--slice_infer"], "--slice_infer: --benchmark measures whole images"),
        (["--image", "x.jpg", "--threads", "0"], "threads: found 0; expected 1 or more"),
        (
            ["--image", "x.jpg", "--threshold", "nan"],
            "threshold: found nan; expected a score between 0 and 1, or model",
        ),
        (["--image", "x.jpg", "--backend", "caffe"], "backend: found caffe"),
        (["--image", "x.jpg", "--model", "nowhere"], "nowhere: there is no such file or folder"),
    ],
)
def test_mistakes_are_one_line(options, message, run):
    status, _, err = run(*options)
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert status == 2
    assert len(lines) == 1
    assert message in lines[0]


def test_a_stream(run, tmp_path):
    """Over HTTP, as cameras send it."""
    data = video(tmp_path / "v.avi").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "video/x-msvideo")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
        status, out, err = run("--video_file", f"http://me:secret@127.0.0.1:{port}/live/door.avi?token=1")
        server.shutdown()
    assert status == 0, err
    target = tmp_path / "out" / f"127.0.0.1_{port}_live_door.avi.mp4"
    assert f"{target}: 20 frames" in out
    assert "secret" not in out + err
    assert cv2.VideoCapture(str(target)).get(cv2.CAP_PROP_FRAME_COUNT) == 20


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("rtsp://127.0.0.1:8554/cam", "127.0.0.1_8554_cam"),
        ("rtsp://a:b@c@10.0.0.7/../x y/", "10.0.0.7_.._x_y"),
        ("udp://", "stream"),
        (3, "camera_3"),
    ],
)
def test_names_of_streams(source, name):
    assert stream_name(source) == name


def test_an_image_that_cannot_be_written_is_named_and_skipped(run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    picture(folder / "a.png")
    long = cv2.imencode(".png", np.full((8, 70_000, 3), 250, np.uint8))[1].tobytes()
    (folder / "b.jpg").write_bytes(long)
    picture(folder / "c.png")
    status, out, err = run("--image_dir", folder, "--save_results")
    assert status == 1
    target = tmp_path / "out" / "b.jpg"
    assert [line for line in err.splitlines() if line.startswith("error")] == [
        f"error: {target}: 70000 x 8 pixels cannot be written as .jpg; convert the image to PNG",
        "error: 1 of 3 images could not be written",
    ]
    assert sorted(path.name for path in target.parent.iterdir()) == ["a.png", "bbox.json", "c.png"]
    names = {entry["file_name"] for entry in json.loads((target.parent / "bbox.json").read_text())}
    assert names == {"a.png", "b.jpg", "c.png"}
    assert run("--image", folder / "b.jpg")[0] == 2


def test_a_pipe_in_a_folder_is_named(run, tmp_path):
    picture(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    status, _, err = run("--image_dir", tmp_path)
    assert status == 1
    assert err.splitlines()[0] == f"error: {tmp_path / 'b.png'}: found a pipe; expected an image file; check the name"


def test_names_that_opencv_cannot_draw(run, tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "_DRAWS_ALL_LETTERS", False)
    assert labels.label(4, "dog") == "dog"
    assert labels.label(4, "行人") == "class 4"
    assert labels.describe_undrawable(["dog"]) is None
    warning = labels.describe_undrawable(["dog", "行人", "é"])
    assert warning is not None
    assert f"OpenCV {cv2.__version__} cannot draw '行人' and 1 more; it draws their numbers; install" in warning
    monkeypatch.setattr(labels, "_DRAWS_ALL_LETTERS", True)
    assert labels.label(4, "行人") == "行人"
    assert labels.label(4, "a\x1b[31m") == "class 4"


def test_the_warning_about_names(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(labels, "_DRAWS_ALL_LETTERS", False)
    model = make_model(tmp_path / "m.onnx", {**INFER_CFG, "label_list": ["猫", "狗"]})
    image = str(picture(tmp_path / "a.png"))
    assert (
        main(["--model", str(model), "--backend", "onnxruntime", "--output_dir", str(tmp_path), "--image", image]) == 2
    )
    out = str(tmp_path / "out")
    assert main(["--model", str(model), "--backend", "onnxruntime", "--output_dir", out, "--image", image]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(lines) == 2  # one a run
    assert "cannot draw '猫' and 1 more" in lines[0]


def test_the_input_is_not_replaced(run, tmp_path):
    (tmp_path / "out").mkdir()
    image = picture(tmp_path / "out" / "a.png")
    before = image.read_bytes()
    status, _, err = run("--image", image)
    assert status == 2
    assert "is the input itself and would be replaced" in err
    assert image.read_bytes() == before


def test_a_missing_input_with_an_earlier_result(run, tmp_path):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        picture(tmp_path / name / "a.png")
    (tmp_path / "in" / "a.png").unlink()
    assert run("--image", tmp_path / "in" / "a.png")[::2] == (
        2,
        f"error: {tmp_path / 'in' / 'a.png'}: cannot be read (No such file or directory); check the name\n",
    )
    (tmp_path / "in" / "a.png").symlink_to("nowhere")
    picture(tmp_path / "in" / "b.png")
    status, out, err = run("--image_dir", tmp_path / "in")
    assert status == 1
    assert "b.png: 1 boxes" in out
    assert err.endswith("error: 1 of 2 images could not be read\n")


def test_a_copy_of_the_folder_is_enough(small, tmp_path):
    """Under any name, without the rest of the project."""
    shutil.copytree(FOLDER, tmp_path / "on_board", ignore=shutil.ignore_patterns("__pycache__"))
    picture(tmp_path / "a.png")
    command = [sys.executable, "-m", "on_board", "--model", small, "--image", "a.png", "--backend", "onnxruntime"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output" / "a.png").is_file()
    lines = "from on_board import Detector", f"print(Detector({str(small)!r}).detect('a.png').names)"
    command = [sys.executable, "-c", "; ".join(lines)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "('dog',)\n"


def test_imports_are_few():
    """Only the standard library, NumPy, OpenCV, PyYAML and the runtimes; the latter not before a model is loaded."""
    for path in FOLDER.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                assert top in sys.stdlib_module_names or top in ALLOWED, f"{path.name} imports {name}"
        for node in tree.body:
            lazy = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {"openvino", "onnxruntime", "paddle", "supervision", "trackers", *SMALL} & set(lazy), path.name


def test_options_that_are_paths_know_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for option in ("--image", "--image_dir", "--video_file"):
        args = parser().parse_args(["--model=~/m", f"{option}=~/x", "--output_dir=~/o"])
        found = (args.model, args.image or args.image_dir or args.video_file, args.output_dir)
        assert found == (Path("/home/me/m"), Path("/home/me/x"), Path("/home/me/o"))


@pytest.mark.parametrize("option", ["--model", "--image", "--image_dir", "--video_file", "--output_dir"])
def test_options_that_are_paths_are_not_empty(option, capsys):
    given = {"--model": "m", "--image": "a.png"} if option in ("--model", "--output_dir") else {"--model": "m"}
    with pytest.raises(SystemExit) as exit_:
        parser().parse_args([text for pair in (given | {option: ""}).items() for text in pair])
    assert exit_.value.code == 2
    assert f"argument {option}" in (error := capsys.readouterr().err)
    assert error.endswith("expected a path, found nothing\n")
