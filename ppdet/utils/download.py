"""Downloads that resume, check what arrived, and never leave half a file under the final name."""

from __future__ import annotations

import hashlib
import logging
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from ppdet.core.errors import UserError, nearest

try:
    import fcntl
except ImportError:  # Windows: processes that start the same download together are not kept apart
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

WEIGHTS_URL = "https://paddledet.bj.bcebos.com/models/{name}.pdparams"
PUBLISHED_WEIGHTS = tuple(
    [f"picodet_{size}_coco_lcnet" for size in ("xs_320", "xs_416", "s_320", "s_416", "m_320", "m_416")]
    + [f"picodet_{size}_coco_lcnet" for size in ("l_320", "l_416", "l_640")]
    + [f"picodet_{size}_coco" for size in ("s_320", "s_416", "m_320", "m_416", "l_320", "l_416", "l_640")]
)
CACHE = Path("~/.cache/ppdet/weights")
TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 20

Checksums = dict[str, str]  # algorithm -> expected hexadecimal digest


def resolve_weights(spec: str, cache_dir: str | Path = CACHE) -> Path:
    """Find the weights file that `spec` means; downloads it into `cache_dir` unless it is there.

    Args:
        spec: a local path with or without ".pdparams", a URL, or the name of published weights.

    Raises:
        UserError: no such file or name, the download failed, or what is there is no weights file.
    """
    local = _local_weights(spec)
    if local is not None:
        if kind := _not_weights(local):
            raise UserError(f"{local}: is {kind}; expected a weights file (.pdparams)")
        return local
    url = WEIGHTS_URL.format(name=spec) if spec in PUBLISHED_WEIGHTS else spec
    if urlsplit(url).scheme not in ("http", "https"):
        hint = "" if re.search(r"[/\\.]", spec) else nearest(spec, PUBLISHED_WEIGHTS)
        raise UserError(f"{spec}: no such weights file; expected a path (.pdparams), a URL or a published name{hint}")
    path = download(url, cache_dir)
    if kind := _not_weights(path):
        path.unlink()
        raise UserError(f"{url}: the server sent {kind}; check the address, or place the weights by hand at {path}")
    return path


def download(
    url: str,
    target_dir: str | Path,
    md5: str | None = None,
    sha256: str | None = None,
    attempts: int = 4,
    backoff: float = 1.0,
) -> Path:
    """Fetch `url` into `target_dir` under the URL's last name; returns the file's path.

    A file that is there already is kept, unless a given checksum differs. A broken transfer goes on where it stopped,
    in this call and in later ones. Several processes may ask for the same file: one fetches it, the others wait.

    Args:
        attempts: how often to try before giving up; the wait between tries doubles from `backoff` seconds.

    Raises:
        UserError: after the last try, or at once for an answer (404) that trying again cannot mend.
    """
    folder = Path(target_dir).expanduser()
    name = unquote(Path(urlsplit(url).path).name)
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise UserError(f"{url}: names no file; expected a URL that ends in a file name")
    target = folder / name
    checksums = {key: value for key, value in (("md5", md5), ("sha256", sha256)) if value}
    try:
        if _is_wanted(target, checksums):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if not _is_wanted(target, checksums):  # another process may have fetched it meanwhile
                logger.info("downloading %s to %s", url, target)
                _fetch(url, target, checksums, attempts, backoff)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); check the folder and free space") from error
    return target


class _TransferError(Exception):
    """One try failed; another may work."""


def _fetch(url: str, target: Path, checksums: Checksums, attempts: int, backoff: float) -> None:
    part = target.with_name(target.name + ".part")
    reason = "no try made"
    for attempt in range(attempts):
        if attempt:
            logger.warning("%s: %s; trying again", url, reason)
            time.sleep(backoff * 2 ** (attempt - 1))
        try:
            _transfer(url, part)
        except _TransferError as error:
            reason = str(error)
            continue
        wrong = _checksum_error(part, checksums)
        if wrong is None:
            part.replace(target)
            return
        part.unlink()  # resuming cannot mend wrong bytes
        reason = wrong
    raise UserError(
        f"{url}: download failed after {attempts} tries ({reason}); "
        f"check the network and run again, or place the file by hand at {target}"
    )


def _transfer(url: str, part: Path) -> None:
    """One try: append to `part` what it lacks, or start over where the server cannot resume."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "ppdet", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as response:
            start, total = _extent(response, have)
            if start not in (0, have):
                raise _TransferError(f"the server went on at byte {start} instead of {have}")
            with part.open("ab" if start else "wb") as file:
                _copy(response, file, start, total, part.stem)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing follows `part`: it is the whole file, or no beginning of it
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink(missing_ok=True)
        elif error.code < 500 and error.code not in (408, 429):
            raise UserError(f"{url}: the server answered {error.code} {error.reason}; check the address") from error
        raise _TransferError(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _TransferError(str(error.reason)) from error
    except (HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise _TransferError(str(error) or type(error).__name__) from error
    if total is not None and (size := part.stat().st_size) != total:
        raise _TransferError(f"got {size} of {total} bytes")


def _extent(response: HTTPResponse, have: int) -> tuple[int, int | None]:
    """Where the body starts in the file, and the file's whole length if the server says so."""
    if response.status == 206:
        match = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None:
            return have, None
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length")
    return 0, int(length) if length is not None else None


def _copy(response: HTTPResponse, file: BinaryIO, start: int, total: int | None, name: str) -> None:
    quiet = not sys.stderr.isatty()
    with tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, disable=quiet, leave=False) as bar:
        while chunk := response.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time download into `folder`; the system drops the lock when its owner dies."""
    with (folder / ".download.lock").open("ab") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_wanted(path: Path, checksums: Checksums) -> bool:
    return path.is_file() and _checksum_error(path, checksums) is None


def _checksum_error(path: Path, checksums: Checksums) -> str | None:
    """What is wrong with the file's checksum, or None."""
    for algorithm, expected in checksums.items():
        digest = hashlib.new(algorithm)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != expected.lower():
            return f"{algorithm} is {digest.hexdigest()}, expected {expected.lower()}"
    return None


def _local_weights(spec: str) -> Path | None:
    path = Path(spec).expanduser()
    candidates = (path, path.with_name(path.name + ".pdparams"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _not_weights(path: Path) -> str | None:
    """What the file is instead of weights (an error page, a pointer), or None when it may hold weights."""
    with path.open("rb") as file:
        head = file.read(64).lstrip().lower()
    kinds = {b"<": "a web page", b"{": "JSON text", b"version https://git-lfs": "a Git LFS pointer"}
    if not head:
        return "empty"
    return next((kind for start, kind in kinds.items() if head.startswith(start)), None)
