from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "dataset" / "coco" / "download_coco.py"
VAL = {"val2017/000000000001.jpg": b"one", "val2017/000000000002.jpg": b"two"}
ANNOTATIONS = {f"annotations/instances_{split}2017.json": b"{}" for split in ("train", "val")}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("download_coco", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "download_coco", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "setup_logging", lambda: None)
    return module


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    monkeypatch.delenv("http_proxy", raising=False)
    root = tmp_path / "mirror"
    (root / "zips").mkdir(parents=True)
    (root / "annotations").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", root
    server.shutdown()
    thread.join()
    server.server_close()


def serve(script: ModuleType, root: Path, name: str, files: dict[str, bytes], count: int) -> None:
    """Put a zip on the mirror in place of the real one."""
    part = script.PARTS[name]
    with zipfile.ZipFile(root / part.url_path, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    md5 = hashlib.md5((root / part.url_path).read_bytes()).hexdigest()
    script.PARTS[name] = replace(part, md5=md5, count=count, space=0.0)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_fetches_unpacks_and_then_does_nothing(script: ModuleType, mirror: tuple[str, Path], tmp_path: Path) -> None:
    url, root = mirror
    serve(script, root, "val", VAL, 2)
    serve(script, root, "annotations", ANNOTATIONS, 2)
    arguments = ["--what", "val,annotations", "--dir", str(tmp_path / "coco"), "--base-url", url]
    assert script.main(arguments) == 0
    assert visible(tmp_path / "coco") == ["annotations", "val2017"]
    assert (tmp_path / "coco" / "val2017" / "000000000002.jpg").read_bytes() == b"two"
    (root / "zips" / "val2017.zip").unlink()
    assert script.main(arguments) == 0


def test_incomplete_folder_is_filled_up(script: ModuleType, mirror: tuple[str, Path], tmp_path: Path) -> None:
    url, root = mirror
    serve(script, root, "val", VAL, 2)
    (tmp_path / "coco" / "val2017").mkdir(parents=True)
    (tmp_path / "coco" / "val2017" / "notes.txt").write_text("mine")
    script.fetch(["val"], tmp_path / "coco", url, keep_zips=True)
    assert visible(tmp_path / "coco") == ["val2017", "val2017.zip"]
    assert len(visible(tmp_path / "coco" / "val2017")) == 3


@pytest.mark.parametrize(
    ("files", "count", "message"),
    [
        (VAL, 5000, "has 2 of 5000 files"),
        ({**VAL, "../evil.jpg": b"x"}, 2, "points outside"),
        ({**VAL, "/tmp/evil.jpg": b"x"}, 2, "points outside"),
    ],
)
def test_bad_archives_leave_nothing(
    script: ModuleType,
    mirror: tuple[str, Path],
    tmp_path: Path,
    files: dict[str, bytes],
    count: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, root = mirror
    serve(script, root, "val", files, count)
    assert script.main(["--what", "val", "--dir", str(tmp_path / "coco"), "--base-url", url]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert visible(tmp_path / "coco") == ["val2017.zip"]
    assert not (tmp_path / "coco" / ".val2017.unpacking").exists()
    assert not (tmp_path / "evil.jpg").exists()


def test_damaged_archive(script: ModuleType, mirror: tuple[str, Path], tmp_path: Path) -> None:
    url, root = mirror
    serve(script, root, "val", VAL, 2)
    path = root / "zips" / "val2017.zip"
    path.write_bytes(path.read_bytes().replace(b"two", b"tow", 1))
    script.PARTS["val"] = replace(script.PARTS["val"], md5=hashlib.md5(path.read_bytes()).hexdigest())
    with pytest.raises(script.UserError, match="damaged archive"):
        script.fetch(["val"], tmp_path / "coco", url)


def test_disk_space_is_checked_before_anything(script: ModuleType, tmp_path: Path) -> None:
    script.PARTS["val"] = replace(script.PARTS["val"], space=1e9)
    with pytest.raises(script.UserError, match="GiB free, about 1000000000.0 GiB needed"):
        script.fetch(["val"], tmp_path / "a" / "b", "http://127.0.0.1:9")
    assert not (tmp_path / "a").exists()


def test_ctrl_c(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    def stopped(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "download", stopped)
    monkeypatch.setattr(script, "_check_space", lambda *args: None)
    assert script.main(["--what", "val", "--dir", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "interrupted; run it again to go on\n"


def test_ctrl_c_while_unpacking(
    script: ModuleType, mirror: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*args: object) -> None:
        raise KeyboardInterrupt

    url, root = mirror
    serve(script, root, "val", VAL, 2)
    monkeypatch.setattr(script, "_merge", stopped)
    assert script.main(["--what", "val", "--dir", str(tmp_path / "coco"), "--base-url", url]) == 130
    assert [path.name for path in (tmp_path / "coco").iterdir() if path.is_dir()] == []


def test_home_folder(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = []
    monkeypatch.setattr(script, "fetch", lambda what, folder, *rest: seen.append(folder))
    assert script.main(["--dir=~/coco"]) == 0
    assert seen == [tmp_path / "coco"]


def test_command_line_from_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--what", "test", "--dir", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "error: --what: unknown part 'test'; expected some of train, val, annotations\n"
