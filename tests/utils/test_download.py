from __future__ import annotations

import hashlib
import multiprocessing
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import ppdet.utils.download as download_module
from ppdet.core.errors import UserError
from ppdet.utils.download import PUBLISHED_WEIGHTS, download, resolve_weights

DATA = b"\x80" + bytes(range(256)) * 2000


@dataclass
class Site:
    """A web site of one file that can misbehave."""

    data: bytes = DATA
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)  # per request, how many bytes to send; all when used up
    statuses: list[int] = field(default_factory=list)  # per request, an error to answer instead
    requests: list[str | None] = field(default_factory=list)  # the Range headers that came
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, wanted = self.site, self.headers.get("Range")
        site.requests.append(wanted)
        if site.statuses:
            self.send_error(site.statuses.pop(0))
            return
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and site.ranges else 0
        if start and start >= len(site.data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(site.data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = site.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(site.data) - 1}/{len(site.data)}")
        self.end_headers()
        self.wfile.write(body[: site.cut_after.pop(0)] if site.cut_after else body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/models/net.pdparams"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def get(site: Site, folder: Path, **options: object) -> Path:
    return download(site.url, folder, **{"backoff": 0.01, **options})


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_whole_file_and_then_from_disk(site: Site, tmp_path: Path) -> None:
    path = get(site, tmp_path / "new")
    assert path == tmp_path / "new" / "net.pdparams"
    assert path.read_bytes() == DATA
    assert left(tmp_path / "new") == ["net.pdparams"]
    get(site, tmp_path / "new")
    assert len(site.requests) == 1


def test_resumes_after_cut_connections(site: Site, tmp_path: Path) -> None:
    site.cut_after = [100_000, 50_000]
    path = get(site, tmp_path, md5=hashlib.md5(DATA).hexdigest())
    assert path.read_bytes() == DATA
    assert site.requests == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_goes_on_where_the_first_stopped(site: Site, tmp_path: Path) -> None:
    site.cut_after = [1000]
    with pytest.raises(UserError, match=r"1 tries \(got 1000 of 512001 bytes\)"):
        get(site, tmp_path, attempts=1)
    assert left(tmp_path) == ["net.pdparams.part"]
    assert get(site, tmp_path).read_bytes() == DATA
    assert site.requests[-1] == "bytes=1000-"
    assert left(tmp_path) == ["net.pdparams"]


def test_server_that_cannot_resume(site: Site, tmp_path: Path) -> None:
    site.ranges, site.cut_after = False, [1000]
    assert get(site, tmp_path).read_bytes() == DATA


def test_part_that_was_complete_already(site: Site, tmp_path: Path) -> None:
    (tmp_path / "net.pdparams.part").write_bytes(DATA)
    assert get(site, tmp_path).read_bytes() == DATA


def test_part_longer_than_the_file_is_dropped(site: Site, tmp_path: Path) -> None:
    (tmp_path / "net.pdparams.part").write_bytes(DATA + b"more")
    assert get(site, tmp_path).read_bytes() == DATA


def test_wrong_checksum(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 tries .md5 is .*, expected 0000"):
        get(site, tmp_path, md5="0000", attempts=2)
    assert left(tmp_path) == []


def test_existing_file_with_another_checksum_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "net.pdparams").write_bytes(b"old")
    assert get(site, tmp_path, md5=hashlib.md5(DATA).hexdigest().upper()).read_bytes() == DATA


def test_missing_page_is_told_at_once(site: Site, tmp_path: Path) -> None:
    site.statuses = [404] * 9
    with pytest.raises(UserError, match="net.pdparams: the server answered 404"):
        get(site, tmp_path)
    assert len(site.requests) == 1
    assert left(tmp_path) == []


def test_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 429]
    assert get(site, tmp_path).read_bytes() == DATA


def test_offline_says_what_to_do(tmp_path: Path, site: Site) -> None:
    url = "http://127.0.0.1:9/net.pdparams"  # the discard port: nobody listens
    with pytest.raises(UserError) as caught:
        download(url, tmp_path, attempts=2, backoff=0.01)
    message = str(caught.value)
    assert message.startswith(f"{url}: download failed after 2 tries (")
    assert message.endswith(f"place the file by hand at {tmp_path / 'net.pdparams'}")
    assert "\n" not in message
    assert left(tmp_path) == []


def test_folder_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        get(site, tmp_path / "file" / "deeper")


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://127.0.0.1/a/..", "http://127.0.0.1/a%2Fb"])
def test_url_without_a_file_name(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="names no file"):
        download(url, tmp_path)


def test_processes_that_start_together_fetch_once(site: Site, tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        paths = pool.starmap(download, [(site.url, tmp_path)] * 4)
    assert {path.read_bytes() for path in paths} == {DATA}
    assert len(site.requests) == 1


def test_local_weights_with_and_without_extension(tmp_path: Path) -> None:
    path = tmp_path / "best.v1.pdparams"
    path.write_bytes(DATA)
    assert resolve_weights(str(path)) == path
    assert resolve_weights(str(tmp_path / "best.v1")) == path


def test_weights_from_a_url_are_cached(site: Site, tmp_path: Path) -> None:
    assert resolve_weights(site.url, tmp_path).read_bytes() == DATA
    assert resolve_weights(site.url, tmp_path) == tmp_path / "net.pdparams"
    assert len(site.requests) == 1


def test_published_name(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(set(PUBLISHED_WEIGHTS)) == 16
    expected = "https://paddledet.bj.bcebos.com/models/picodet_s_320_coco_lcnet.pdparams"
    assert download_module.WEIGHTS_URL.format(name="picodet_s_320_coco_lcnet") == expected
    monkeypatch.setattr(download_module, "WEIGHTS_URL", site.url.replace("net.pdparams", "{name}.pdparams"))
    path = resolve_weights("picodet_s_320_coco_lcnet", tmp_path)
    assert path.name == "picodet_s_320_coco_lcnet.pdparams"


def test_unknown_names_and_paths(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="picodet_s_320_coco_lcnte: no such .*picodet_s_320_coco_lcnet"):
        resolve_weights("picodet_s_320_coco_lcnte", tmp_path)
    with pytest.raises(UserError, match="output/best: no such weights file"):
        resolve_weights("output/best", tmp_path)


@pytest.mark.parametrize(("data", "kind"), [(b"<!DOCTYPE html>", "a web page"), (b"", "empty"), (b'{"e": 1}', "JSON")])
def test_what_is_no_weights_is_refused(site: Site, tmp_path: Path, data: bytes, kind: str) -> None:
    site.data = data
    with pytest.raises(UserError, match=f"the server sent .*{kind}|{kind}"):
        resolve_weights(site.url, tmp_path)
    assert left(tmp_path) == []
    (tmp_path / "local.pdparams").write_bytes(data)
    with pytest.raises(UserError, match=f"local.pdparams: is .*{kind}|{kind}"):
        resolve_weights(str(tmp_path / "local"))
