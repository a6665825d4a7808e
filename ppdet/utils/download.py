"""Downloads that resume, check the content, and never leave half a file under the final name."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ppdet.core.errors import UserError, nearest
from ppdet.utils.transfer import CHUNK, TransferError, forget, shown, transfer
from ppdet.utils.weight_files import not_weights, read_arrays

try:
    import fcntl
except ImportError:  # Windows: two processes may fetch the same file at the same time
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

WEIGHTS_URL = "https://paddledet.bj.bcebos.com/models/{name}.pdparams"
# SHA-256 of the file by name; None: unknown, so the file is accepted if it can be read
PUBLISHED_WEIGHTS: dict[str, str | None] = {
    "picodet_xs_320_coco_lcnet": "0e18cb1a00b45283d4760f2302479ccddc89152ad2f7fa8678a8677be06944b8",
    "picodet_xs_416_coco_lcnet": None,
    "picodet_s_320_coco_lcnet": None,
    "picodet_s_416_coco_lcnet": None,
    "picodet_m_320_coco_lcnet": None,
    "picodet_m_416_coco_lcnet": None,
    "picodet_l_320_coco_lcnet": None,
    "picodet_l_416_coco_lcnet": None,
    "picodet_l_640_coco_lcnet": None,
    "picodet_s_320_coco": None,
    "picodet_s_416_coco": None,
    "picodet_m_320_coco": None,
    "picodet_m_416_coco": None,
    "picodet_l_320_coco": None,
    "picodet_l_416_coco": None,
    "picodet_l_640_coco": None,
}
CACHE = Path("~/.cache/ppdet/weights")
TIMEOUT = 30.0  # seconds without any data
Check = Callable[[Path], str | None]  # returns what is wrong with a file, None: nothing


def resolve_weights(spec: str, cache_dir: str | Path = CACHE) -> Path:
    """Returns the weights file that `spec` means; downloads it once, into a folder of `cache_dir` for each URL.

    Args:
        spec: a local path with or without ".pdparams", a URL, or the name of published weights.

    Raises:
        UserError: there is no such file or name, the download failed, or the file does not hold weights.
    """
    for local in (spec, f"{spec}.pdparams", f"{spec}.pdiparams"):
        if path := _local_file(local):
            if kind := not_weights(path):
                raise UserError(f"{path}: is {kind}; expected a weights file (.pdparams)")
            return path
    url = WEIGHTS_URL.format(name=spec) if spec in PUBLISHED_WEIGHTS else spec
    if not re.match(r"https?://", url):
        hint = "" if re.search(r"[/\\.]", spec) else nearest(spec, PUBLISHED_WEIGHTS)
        raise UserError(f"{spec}: no such weights file; expected a path (.pdparams), a URL or a published name{hint}")
    name, sha256 = _file_name(url), PUBLISHED_WEIGHTS.get(spec)
    earlier = Path(cache_dir).expanduser() / name  # the place that earlier versions used
    if sha256 and earlier.is_file() and not _digest_error(earlier, "sha256", sha256):
        return earlier
    folder = Path(cache_dir) / f"{Path(name).stem[:80]}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    return download(url, folder, sha256=sha256, check=lambda path: _unreadable(path, name))


def download(
    url: str,
    target_dir: str | Path,
    md5: str | None = None,
    sha256: str | None = None,
    check: Check | None = None,
    attempts: int = 4,
    backoff: float = 1.0,
) -> Path:
    """Download `url` into `target_dir` under the last name in the URL, and return the file's path.

    An existing file is kept, unless a given checksum differs. A broken transfer continues where it stopped, in this
    call and in later ones, if the content on the server is still the same. If several processes ask for the same file,
    one downloads it and the others wait.

    Args:
        url: the address.
        target_dir: the folder, which is created.
        md5: checksum of the file, if it is known.
        sha256: another checksum.
        check: returns what is wrong with the content, before the file gets its name.
        attempts: number of tries.
        backoff: seconds before the second try; the time doubles with each try.

    Raises:
        UserError: the last try failed, or the server gave an answer that another try cannot change, like 404.
    """
    folder = Path(target_dir).expanduser()
    target = folder / _file_name(url)

    def wrong(path: Path) -> str | None:
        return (md5 and _digest_error(path, "md5", md5)) or (sha256 and _digest_error(path, "sha256", sha256)) or None

    try:
        if target.is_file() and not wrong(target):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if not target.is_file() or wrong(target):  # another process may have downloaded it meanwhile
                logger.info("downloading %s to %s", shown(url), target)
                checked = bool(md5 or sha256)
                _fetch(url, target, wrong, check, checked, attempts, backoff)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); check the folder and free space") from error
    return target


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Waits until no other process downloads into `folder`, and keeps others waiting meanwhile."""
    with (folder / ".download.lock").open("ab") as lock:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)  # the system drops it when its owner dies
        yield


def _fetch(
    url: str, target: Path, wrong: Check, check: Check | None, checked: bool, attempts: int, backoff: float
) -> None:
    part = target.with_name(target.name + ".part")
    reason = "no try made"
    for attempt in range(attempts):
        if attempt:
            logger.warning("%s: %s; trying again", shown(url), reason)
            time.sleep(backoff * 2 ** (attempt - 1))
        try:
            whole = transfer(url, part, TIMEOUT, checked)
            if fault := wrong(part):
                forget(part)  # resuming cannot repair wrong content
                raise TransferError(fault)
            if fault := check and check(part):
                forget(part)
                if not whole:  # cut short, or pieced together from different files
                    raise TransferError(f"what the server sent is {fault}")
                raise UserError(
                    f"{shown(url)}: what the server sent is {fault}; check the address, or place the file by hand at "
                    f"{target}"
                )
            part.replace(target)
            forget(part)
            return
        except TransferError as error:
            reason = str(error)
    raise UserError(
        f"{shown(url)}: download failed after {attempts} tries ({reason}); "
        f"check the network and run again, or place the file by hand at {target}"
    )


def _file_name(url: str) -> str:
    """Returns the last name in a URL. Raises UserError if it cannot be a file name."""
    try:
        name = unquote(Path(urlsplit(url).path).name)
    except ValueError as error:
        raise UserError(f"{url[:200]!r}: not a URL ({error})") from error
    if (
        name.startswith(".")
        or not name.isprintable()
        or not name
        or re.search(r"[/\\]", name)
        or len(name.encode()) > 200
    ):
        raise UserError(f"{shown(url)}: names no file; expected a URL that ends in a file name")
    return name


def _local_file(spec: str) -> Path | None:
    try:
        path = Path(spec).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # a name that is too long, an unknown user
        return None


def _unreadable(path: Path, name: str) -> str | None:
    """Returns what is wrong with a weights file that the server calls `name`; None: it can be read."""
    if kind := not_weights(path, name):
        return kind
    try:
        read_arrays(path, name)
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def _digest_error(path: Path, kind: str, expected: str) -> str | None:
    """Returns what is wrong with the file's checksum, or None."""
    digest = hashlib.new(kind)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    found = digest.hexdigest()
    return None if found == expected.lower() else f"{kind} is {found}, expected {expected.lower()}"
