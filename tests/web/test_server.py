"""The page's files, where onnxruntime-web comes from, and the server for one machine."""

from __future__ import annotations

import hashlib
import http.client
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ppdet.cli import main
from ppdet.commands.serve_web import model_file
from ppdet.core.errors import UserError
from ppdet.utils.download import download
from ppdet.web.files import VERSION, WASM_FILES, WEBGPU_FILES, fetch_runtime, find_runtime, web_files
from ppdet.web.server import make_server

Get = Callable[..., http.client.HTTPResponse]


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """get(path, method="GET"): the answer of a server of the page with a model."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "model.onnx").write_bytes(b"model")
    (folder / WASM_FILES[0]).write_text("export {}")
    with make_server(web_files(folder, folder / "model.onnx"), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def ask(path: str, method: str = "GET") -> http.client.HTTPResponse:
            connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)
            connection.request(method, path)
            return connection.getresponse()

        yield ask
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html?x=1", "text/html; charset=utf-8"),
        ("/picodet.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/ort/ort.wasm.min.mjs", "text/javascript; charset=utf-8"),
        ("/model.onnx", "application/octet-stream"),
    ],
)
def test_it_serves_the_page_with_the_headers_that_threads_need(get: Get, path: str, kind: str) -> None:
    answer = get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert answer.headers["Content-Security-Policy"] == "default-src 'self' blob: 'wasm-unsafe-eval'"
    body = answer.read()
    assert len(body) == int(answer.headers["Content-Length"]) > 0
    head = get(path, "HEAD")
    assert (head.status, head.read(), head.headers["Content-Length"]) == (200, b"", str(len(body)))


@pytest.mark.parametrize(
    "path", ["/x", "/../setup.py", "/%2e%2e/setup.py", "//etc/passwd", "/ort/", "/README.md", "/%00"]
)
def test_it_serves_nothing_else(get: Get, path: str) -> None:
    assert get(path).status == 404


def test_the_files_of_the_page(tmp_path: Path) -> None:
    (tmp_path / WASM_FILES[1]).touch()
    names = set(web_files(tmp_path))
    assert names >= {"index.html", "style.css", "app.js", "picodet.js", "picodet.d.ts", "icon.svg"}
    assert {name for name in names if "/" in name or "model" in name} == {f"ort/{WASM_FILES[1]}", "model_file.js"}


def test_it_only_reads(get: Get) -> None:
    assert get("/", "POST").status == 501


def test_only_this_machine_reaches_it() -> None:
    with make_server({}, 0) as server:
        assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("port", [-1, 70000])
def test_a_port_that_cannot_be(port: int) -> None:
    with pytest.raises(UserError, match=f"--port: {port} cannot be used .*; choose another, or 0 for any free one"):
        make_server({}, port)


def test_a_port_that_is_taken() -> None:
    with make_server({}, 0) as server, pytest.raises(UserError, match="choose another, or 0 for any free one"):
        make_server({}, server.server_address[1])


def fill(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in WASM_FILES:
        (folder / name).touch()
    return folder


def test_the_places_of_the_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ppdet.web.files.web_folder", lambda: tmp_path / "page")
    cache = tmp_path / "cache"
    with pytest.raises(UserError) as fault:
        find_runtime(cache=cache)
    wanted = f"run `npm install onnxruntime-web@{VERSION}` here, or add --download once"
    assert str(fault.value).startswith("onnxruntime-web: found no ort.wasm.min.mjs in node_modules")
    assert str(fault.value).endswith(wanted)
    with pytest.raises(UserError, match=r"^--runtime: .*nowhere: found no ort.wasm.min.mjs; expected"):
        find_runtime(tmp_path / "nowhere", cache)
    cached = fill(cache / VERSION)
    assert find_runtime(cache=cache) == cached
    beside = fill(tmp_path / "page/node_modules/onnxruntime-web/dist")
    assert find_runtime(cache=cache) == beside
    here = fill(tmp_path / "node_modules/onnxruntime-web/dist")
    assert find_runtime(cache=cache) == here
    assert find_runtime(cached, cache) == cached
    assert find_runtime(tmp_path, cache) == here


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address and checksum of a package as npm has it, with a file that would leave the folder."""
    folder = tmp_path / "served"
    folder.mkdir()
    with tarfile.open(folder / "web.tgz", "w:gz") as packed:
        for name in (*WASM_FILES, *WEBGPU_FILES, "../../../evil.mjs", "ort.all.mjs"):
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(name)
            packed.addfile(entry, io.BytesIO(name.encode()))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sha256 = hashlib.sha256((folder / "web.tgz").read_bytes()).hexdigest()
        yield f"http://127.0.0.1:{server.server_address[1]}/web.tgz", sha256
        server.shutdown()


def test_the_download(tmp_path: Path, archive: tuple[str, str]) -> None:
    cache = tmp_path / "cache"
    folder = fetch_runtime(cache, *archive)
    assert {file.name for file in folder.iterdir()} == {*WASM_FILES, *WEBGPU_FILES}
    assert (folder / WASM_FILES[2]).read_text() == WASM_FILES[2]
    assert not (tmp_path / "evil.mjs").exists()
    assert find_runtime(cache=cache) == folder
    assert fetch_runtime(cache, "http://127.0.0.1:1/web.tgz") == folder  # it asks nobody again


def test_a_download_that_is_not_the_published_one(
    tmp_path: Path, archive: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ppdet.web.files.download", partial(download, attempts=1))
    with pytest.raises(UserError, match="sha256 is"):
        fetch_runtime(tmp_path / "cache", archive[0], "0" * 64)
    assert not list((tmp_path / "cache").rglob("*.mjs"))


def test_the_model(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"found no model\.onnx in this folder; expected one of ppdet export --format onnx"
    ):
        model_file(tmp_path)
    (tmp_path / "model.onnx").touch()
    assert model_file(tmp_path) == model_file(tmp_path / "model.onnx") == tmp_path / "model.onnx"


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for argv, start in (
        ([str(tmp_path)], f"error: {tmp_path}: found no"),
        (["--runtime", str(tmp_path)], "error: --runt"),
    ):
        with pytest.raises(SystemExit) as exit_:
            main(["serve-web", *argv])
        assert exit_.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith(start)
        assert said.count("\n") == 1
