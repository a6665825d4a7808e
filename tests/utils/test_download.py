from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import pickle
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import ppdet.utils.download as download_module
import ppdet.utils.transfer as transfer_module
from ppdet.core.errors import UserError
from ppdet.utils.download import PUBLISHED_WEIGHTS, download, resolve_weights
from ppdet.utils.transfer import shown

DATA = b"\x80" + bytes(range(256)) * 2000
WEIGHTS = pickle.dumps({"w": np.arange(100_000, dtype="float32")}, protocol=4)
OTHERS = pickle.dumps({"w": -np.arange(100_000, dtype="float32")}, protocol=4)


@dataclass
class Site:
    """A web site of one file that can misbehave."""

    data: bytes = DATA
    ranges: bool = True
    heeds_if_range: bool = True
    names_content: bool = True  # with an ETag
    headers: dict[str, str] = field(default_factory=dict)  # in the place of the usual ones
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
        tag = f'"{hashlib.md5(site.data).hexdigest()}"'
        changed = self.headers.get("If-Range") not in (None, tag) and site.heeds_if_range
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and site.ranges and not changed else 0
        if start and start >= len(site.data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(site.data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = site.data[start:]
        self.send_response(206 if start else int(site.headers.get("status", 200)))
        headers = {"Content-Length": str(len(body))} | ({"ETag": tag} if site.names_content else {})
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(site.data) - 1}/{len(site.data)}"
        for name, value in (headers | site.headers).items():
            if value and name != "status":
                self.send_header(name, value)
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


@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize("url", ["same", "other"])
def test_another_content_is_not_appended(site: Site, tmp_path: Path, url: str, heeds: bool) -> None:
    """The file was replaced on the server, or another one has the same name."""
    site.cut_after, site.heeds_if_range = [1000], heeds
    with pytest.raises(UserError, match="got 1000 of"):
        get(site, tmp_path, attempts=1)
    site.data = DATA[::-1]
    if url == "other":
        site.url = site.url.replace("models", "others")
    assert get(site, tmp_path).read_bytes() == DATA[::-1]


@pytest.mark.parametrize(
    "content_range",
    [f"bytes 99000-{len(DATA) - 1}/{len(DATA)}", None],
    ids=["goes on elsewhere", "does not say where"],
)
def test_a_server_that_does_not_go_on_where_it_should(site: Site, tmp_path: Path, content_range: str | None) -> None:
    site.cut_after = [100_000]
    site.headers = {"Content-Range": content_range}
    assert get(site, tmp_path).read_bytes() == DATA
    assert site.requests == [None, "bytes=100000-", None]


def test_pieces_that_do_not_fit_are_fetched_again(site: Site, tmp_path: Path) -> None:
    """The server says that its content is the same, and it is not."""
    site.cut_after = [100_000]
    site.headers = {"ETag": '"same"'}
    site.heeds_if_range = False
    whole = DATA[::-1]

    def check(path: Path) -> str | None:
        return None if path.read_bytes() == whole else "a mixture"

    with pytest.raises(UserError, match="got 100000 of"):
        get(site, tmp_path, attempts=1, check=check)
    site.data = whole
    assert get(site, tmp_path, check=check).read_bytes() == whole
    assert site.requests == [None, "bytes=100000-", None]


def test_a_content_without_a_name_is_fetched_from_its_beginning(site: Site, tmp_path: Path) -> None:
    site.names_content, site.cut_after = False, [1000, 2000]
    assert get(site, tmp_path).read_bytes() == DATA
    assert site.requests == [None] * 3
    (tmp_path / "net.pdparams").unlink()
    site.cut_after = [1000]  # with a checksum nothing can go wrong
    get(site, tmp_path, md5=hashlib.md5(DATA).hexdigest())
    assert site.requests[-1] == "bytes=1000-"


def test_a_body_of_unknown_length_that_breaks_off(site: Site, tmp_path: Path) -> None:
    site.data, site.headers, site.cut_after = WEIGHTS, {"Content-Length": ""}, [1000] * 2

    def check(path: Path) -> str | None:
        return download_module._unreadable(path, "net.pdparams")

    assert get(site, tmp_path, check=check).read_bytes() == WEIGHTS
    assert len(site.requests) == 3
    assert left(tmp_path) == ["net.pdparams"]


def test_weights_that_want_to_run_something_are_not_kept(site: Site, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return open, (str(tmp_path / "ran"), "w")

    site.data = pickle.dumps({"w": Evil()})
    with pytest.raises(
        UserError, match=r"the server sent is refused: it wants to call \w+\.open, which no weights file"
    ):
        resolve_weights(site.url, tmp_path)
    assert not list(tmp_path.glob("*/net*"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/net.pdparams", "LOOP", "http://[bad/"])
def test_redirects_to_where_nothing_is_to_be_fetched(site: Site, tmp_path: Path, place: str) -> None:
    site.headers = {"status": "302", "Location": site.url if place == "LOOP" else place}
    with pytest.raises(UserError, match=r"net\.pdparams: (the server|download failed)") as caught:
        get(site, tmp_path, attempts=2)
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


@pytest.mark.parametrize("length", ["abc", "-5", ""])
def test_a_length_that_is_none(site: Site, tmp_path: Path, length: str) -> None:
    site.headers = {"Content-Length": length}
    assert get(site, tmp_path).read_bytes() == DATA


def test_an_answer_without_a_file(site: Site, tmp_path: Path) -> None:
    site.headers = {"status": "204"}
    with pytest.raises(UserError, match="answered 204 No Content and sent no file"):
        get(site, tmp_path)


def test_a_compressed_answer(site: Site, tmp_path: Path) -> None:
    site.data, site.headers = gzip.compress(DATA), {"Content-Encoding": "gzip"}
    with pytest.raises(UserError, match="sent it as gzip"):
        get(site, tmp_path)
    assert left(tmp_path) == []


def test_a_server_that_drips(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_module, "_WINDOW", 0.0)
    monkeypatch.setattr(transfer_module, "_LEAST", 1 << 30)
    with pytest.raises(UserError, match=r"only \d+ bytes came in"):
        get(site, tmp_path, attempts=1)


def test_queries_and_users_are_not_shown(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site.statuses = [503, 404]
    with pytest.raises(UserError, match=r"net\.pdparams\?…: the server answered 404") as caught:
        download(site.url + "?token=secret", tmp_path, backoff=0.01)
    assert "secret" not in str(caught.value) + caplog.text
    assert shown("https://me:secret@host/x.pdparams") == "https://host/x.pdparams"


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


@pytest.mark.parametrize(
    "name",
    ["", "a/..", "a%2Fb", "%2e%2e", "a%5Cb", "%00x.pdparams", "x%0ay", ".download.lock", "a" * 300, "%E4" * 100 + "x"],
)
def test_url_without_a_file_name(name: str, tmp_path: Path) -> None:
    for fetch in (download, resolve_weights):
        with pytest.raises(UserError, match="names no file") as caught:
            fetch(f"http://127.0.0.1/{name}", tmp_path)
        assert str(caught.value).isprintable()


def test_processes_that_start_together_fetch_once(site: Site, tmp_path: Path) -> None:
    pool = multiprocessing.get_context("fork").Pool(4)
    paths = pool.starmap(download, [(site.url, tmp_path)] * 4)
    pool.close()  # not terminate, which waits for ever where an earlier test left SIGTERM ignored
    pool.join()
    assert {path.read_bytes() for path in paths} == {DATA}
    assert len(site.requests) == 1


def test_local_weights_with_and_without_extension(tmp_path: Path) -> None:
    path = tmp_path / "best.v1.pdparams"
    path.write_bytes(DATA)
    assert resolve_weights(str(path)) == path
    assert resolve_weights(str(tmp_path / "best.v1")) == path


def test_weights_from_a_url_are_cached(site: Site, tmp_path: Path) -> None:
    site.data = WEIGHTS
    path = resolve_weights(site.url, tmp_path)
    assert path.read_bytes() == WEIGHTS
    assert resolve_weights(site.url, tmp_path) == path
    assert len(site.requests) == 1
    assert (path.name, path.parent.parent) == ("net.pdparams", tmp_path)
    assert path.parent.name.startswith("net-")


def test_files_of_one_name_from_two_urls(site: Site, tmp_path: Path) -> None:
    """Two runs' best_model.pdparams on one server."""
    site.data = WEIGHTS
    first = resolve_weights(site.url, tmp_path)
    site.data = OTHERS
    assert resolve_weights(site.url.replace("models", "others"), tmp_path).read_bytes() == OTHERS
    assert resolve_weights(site.url + "?run=2", tmp_path).read_bytes() == OTHERS
    assert first.read_bytes() == WEIGHTS


def test_files_of_earlier_versions_count_where_a_checksum_is_known(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "picodet_xs_320_coco_lcnet"
    monkeypatch.setitem(PUBLISHED_WEIGHTS, name, hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setattr(download_module, "WEIGHTS_URL", site.url.replace("net.pdparams", "{name}.pdparams"))
    site.data, earlier = WEIGHTS, tmp_path / f"{name}.pdparams"
    earlier.write_bytes(OTHERS)
    assert resolve_weights(name, tmp_path) != earlier
    earlier.write_bytes(WEIGHTS)
    assert resolve_weights(name, tmp_path) == earlier
    assert len(site.requests) == 1


def test_published_weights_have_their_checksum(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "picodet_xs_320_coco_lcnet"
    monkeypatch.setattr(download_module, "WEIGHTS_URL", site.url.replace("net.pdparams", "{name}.pdparams"))
    monkeypatch.setattr(download_module.time, "sleep", lambda seconds: None)
    site.data = WEIGHTS
    with pytest.raises(UserError, match="4 tries .sha256 is .*, expected 0e18cb1a"):
        resolve_weights(name, tmp_path)
    assert not list(tmp_path.glob("*/*.pdparams*"))


def test_published_name(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(set(PUBLISHED_WEIGHTS)) == 16
    expected = "https://paddledet.bj.bcebos.com/models/picodet_s_320_coco_lcnet.pdparams"
    assert download_module.WEIGHTS_URL.format(name="picodet_s_320_coco_lcnet") == expected
    monkeypatch.setattr(download_module, "WEIGHTS_URL", site.url.replace("net.pdparams", "{name}.pdparams"))
    site.data = WEIGHTS
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
    with pytest.raises(UserError, match=f"the server sent is .*{kind}|{kind}"):
        resolve_weights(site.url, tmp_path)
    assert [path for path in tmp_path.glob("*/*") if path.name != ".download.lock"] == []
    (tmp_path / "local.pdparams").write_bytes(data)
    with pytest.raises(UserError, match=f"local.pdparams: is .*{kind}|{kind}"):
        resolve_weights(str(tmp_path / "local"))
