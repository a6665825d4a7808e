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
_SIZES = ("xs_320", "xs_416", "s_320", "s_416", "m_320", "m_416", "l_320", "l_416", "l_640")
PUBLISHED_WEIGHTS = (
    *(f"picodet_{size}_coco_lcnet" for size in _SIZES),
    *(f"picodet_{size}_coco" for size in _SIZES if not size.startswith("xs")),
)
CACHE = Path("~/.cache/ppdet/weights")
TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 20


def resolve_weights(spec: str, cache_dir: str | Path = CACHE) -> Path:
    """Find the weights file that `spec` means; downloads it into `cache_dir` unless it is there.

    Args:
        spec: a local path with or without ".pdparams", a URL, or the name of published weights.

    Raises:
        UserError: no such file or name, the download failed, or what is there is no weights file.
    """
    for local in (Path(spec).expanduser(), Path(f"{spec}.pdparams").expanduser()):
        if local.is_file():
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


def download(url: str, target_dir: str | Path, md5: str | None = None, attempts: int = 4, backoff: float = 1.0) -> Path:
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
    try:
        if _is_wanted(target, md5):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".download.lock").open("ab") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)  # the system drops it when its owner dies
            if not _is_wanted(target, md5):  # another process may have fetched it meanwhile
                logger.info("downloading %s to %s", url, target)
                _fetch(url, target, md5, attempts, backoff)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); check the folder and free space") from error
    return target


class _TransferError(Exception):
    """One try failed; another may work."""


def _fetch(url: str, target: Path, md5: str | None, attempts: int, backoff: float) -> None:
    part = target.with_name(target.name + ".part")
    reason = "no try made"
    for attempt in range(attempts):
        if attempt:
            logger.warning("%s: %s; trying again", url, reason)
            time.sleep(backoff * 2 ** (attempt - 1))
        try:
            _transfer(url, part)
            if wrong := _md5_error(part, md5):
                part.unlink()  # resuming cannot mend wrong bytes
                raise _TransferError(wrong)
            part.replace(target)
            return
        except _TransferError as error:
            reason = str(error)
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
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise _TransferError(str(getattr(error, "reason", error)) or type(error).__name__) from error
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


def _is_wanted(path: Path, md5: str | None) -> bool:
    return path.is_file() and _md5_error(path, md5) is None


def _md5_error(path: Path, expected: str | None) -> str | None:
    """What is wrong with the file's checksum, or None."""
    if not expected:
        return None
    digest = hashlib.md5()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    found = digest.hexdigest()
    return None if found == expected.lower() else f"md5 is {found}, expected {expected.lower()}"


def _not_weights(path: Path) -> str | None:
    """What the file is instead of weights (an error page, a pointer), or None when it may hold weights."""
    with path.open("rb") as file:
        head = file.read(64).lstrip().lower()
    kinds = {b"<": "a web page", b"{": "JSON text", b"version https://git-lfs": "a Git LFS pointer"}
    if not head:
        return "empty"
    return next((kind for start, kind in kinds.items() if head.startswith(start)), None)
