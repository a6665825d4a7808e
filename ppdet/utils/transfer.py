"""One try of a download: appends to a `.part` file the rest of the same content."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any, BinaryIO
from urllib.parse import quote, urlsplit

from tqdm import tqdm

from ppdet.core.errors import UserError

CHUNK = 1 << 20
_WINDOW, _LEAST = 60.0, 6000  # seconds, and the bytes that must arrive in them: fewer mean a server that hangs


class TransferError(Exception):
    """One try failed; another one may succeed."""


def shown(url: str) -> str:
    """Returns the URL for messages, without its query and user, which may contain a password or token."""
    parts = urlsplit(url)
    return _words(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{'?…' if parts.query else ''}")


def transfer(url: str, part: Path, timeout: float, checked: bool) -> bool:
    """Append to `part` what it lacks, or start over if that is not safe.

    Args:
        url: the address.
        part: the file.
        timeout: seconds without any data.
        checked: whether a checksum will be compared. Then resuming is safe even if the server does not identify the
            content.

    Returns:
        Whether `part` is known to be one complete answer: it has the length that the server said, and was not resumed.

    Raises:
        TransferError: another try may succeed.
        UserError: the server gave an answer that another try cannot change.
    """
    facts = part.with_name(f".{part.name}.json")  # about the answer that `part` began with
    have, validator = _resumable(part, facts, url, checked)
    try:
        request = _request(url, have, validator)
        with urllib.request.build_opener(_HttpOnly).open(request, timeout=timeout) as response:
            _check_kind(response, url)
            start, total = _extent(response, have)
            if start not in (0, have):
                part.unlink(missing_ok=True)
                raise TransferError(f"the server did not go on at byte {have}")
            if start and validator not in (None, _validator(response.headers)):
                part.unlink()
                raise TransferError("the file on the server has changed")
            if not start:
                facts.write_text(json.dumps({"url": url, "validator": _validator(response.headers)}))
            with part.open("ab" if start else "wb") as file:
                _copy(response, file, start, total, part.stem)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have and error.headers.get("Content-Range") == f"bytes */{have}":
            return False  # `part` has the full length already
        raise _refusal(error, url, part) from error
    # OverflowError and ValueError: invalid ports, redirects and host names
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, OverflowError, ValueError) as error:
        raise TransferError(_words(getattr(error, "reason", error)) or type(error).__name__) from error
    if total is not None and (size := part.stat().st_size) != total:
        raise TransferError(f"got {size} of {total} bytes")
    return total is not None and not start


def _request(url: str, have: int, validator: str | None) -> urllib.request.Request:
    """Returns the request for what follows the first `have` bytes, if the content is still that of `validator`."""
    headers = {"User-Agent": "ppdet", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})
    return urllib.request.Request(quote(url, safe="%/:=&?~#+!$,;'@()*[]"), headers=headers)


def _refusal(error: urllib.error.HTTPError, url: str, part: Path) -> UserError | TransferError:
    """Returns the exception for an answer that is an error; a TransferError if another try may succeed."""
    if error.code == 416:  # `part` is longer than the file
        part.unlink(missing_ok=True)
    answer = f"the server answered {error.code} {_words(error.reason)}"
    if error.code < 500 and error.code not in (408, 416, 429):
        return UserError(f"{shown(url)}: {answer}; check the address")
    return TransferError(answer)


def forget(part: Path) -> None:
    """Delete `part` and the file with facts about it."""
    part.unlink(missing_ok=True)
    part.with_name(f".{part.name}.json").unlink(missing_ok=True)


class _HttpOnly(urllib.request.HTTPRedirectHandler):
    """Refuses redirects to local files and other kinds of servers."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise UserError(f"{shown(req.full_url)}: the server points to {shown(newurl)}; expected http or https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _resumable(part: Path, facts: Path, url: str, checked: bool) -> tuple[int, str | None]:
    """Returns the number of bytes of `part` that can be kept, and the server's identifier of the content."""
    try:
        noted = json.loads(facts.read_text())
        validator, same = noted["validator"], noted["url"] == url
    except (OSError, ValueError, KeyError, TypeError):  # written by an earlier version
        validator, same = None, True
    usable = part.exists() and same and (checked or isinstance(validator, str))
    return (part.stat().st_size if usable else 0), validator


def _validator(headers: Message) -> str | None:
    """Returns a header that changes with the content: the ETag, unless it is a weak one, or the date."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _check_kind(response: HTTPResponse, url: str) -> None:
    if response.status not in (200, 206):
        answer = f"{response.status} {_words(response.reason)}".strip()
        raise UserError(f"{shown(url)}: the server answered {answer} and sent no file; check the address")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise UserError(
            f"{shown(url)}: the server sent it as {_words(encoding)}, not as it is; fetch it by other means"
        )


def _extent(response: HTTPResponse, have: int) -> tuple[int, int | None]:
    """Returns where the body starts in the file (-1: unknown), and the file's length if the server says it."""
    if response.status == 206:
        match = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None:
            return -1, None
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if re.fullmatch(r"\d{1,18}", length) else None


def _copy(response: HTTPResponse, file: BinaryIO, start: int, total: int | None, name: str) -> None:
    quiet = not sys.stderr.isatty()
    since, arrived = time.monotonic(), 0
    with tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, disable=quiet, leave=False) as bar:
        while chunk := response.read1(CHUNK):  # `read` would wait for the whole chunk
            file.write(chunk)
            bar.update(len(chunk))
            arrived += len(chunk)
            if time.monotonic() - since > _WINDOW:
                if arrived < _LEAST:
                    raise TransferError(f"only {arrived} bytes came in {_WINDOW:.0f} s")
                since, arrived = time.monotonic(), 0
    file.flush()
    os.fsync(file.fileno())  # else a power cut after the rename can leave an empty file


def _words(text: Any) -> str:
    """Returns text of a server as one short, printable line."""
    line = " ".join(str(text).split())
    line = line if len(line) <= 200 else line[:200] + "…"
    return "".join(letter if letter.isprintable() else "?" for letter in line)
