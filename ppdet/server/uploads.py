"""Images and options in the bodies of requests: raw, multipart or JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from python_multipart.multipart import parse_options_header

from ppdet.deploy.image_files import read_header
from ppdet.server.forms import read_form
from ppdet.server.limits import Limits
from ppdet.server.refusals import Refused

IMAGE_FIELDS = ("image", "images", "file", "files")
OPTIONS = ("threshold", "classes", "model")
_MOST = 10_000  # texts in JSON; millions of them would take seconds
_TYPES = "image/jpeg or another image/…, multipart/form-data, or application/json"


class Upload(NamedTuple):
    """The encoded images of a request, and its options as they were given."""

    images: list[bytes]
    options: dict[str, Any]


def read_upload(content_type: str, body: bytes, limits: Limits) -> Upload:
    """Takes a body apart. Raises Refused if it is no such body, or holds too many images or too large ones."""
    kind, parameters = parse_options_header(content_type)
    name = kind.decode("latin-1").lower()
    if name.startswith("image/") or name == "application/octet-stream":
        upload = Upload([body], {})
    elif name == "multipart/form-data":
        upload = _read_form(parameters.get(b"boundary", b""), body)
    elif name == "application/json":
        upload = _read_json(body, limits)
    else:
        raise Refused(415, f"Content-Type: found {name or 'none'!s:.100}; expected {_TYPES}")
    check_count(len(upload.images), limits)
    for i, image in enumerate(upload.images):
        check_image(image, f"images[{i}]", limits)
    return upload


def check_count(count: int, limits: Limits) -> None:
    """Raises Refused if a request has no images or too many."""
    if count == 0:
        raise Refused(400, "images: found none; expected 1 or more")
    if count > limits.images:
        raise Refused(413, f"images: found {count}; expected {limits.images} at most; send several requests")


def check_image(data: bytes, name: str, limits: Limits) -> None:
    """Raises Refused if data are no encoded image, or one that claims too many pixels."""
    header = read_header(data)
    if header is None:
        found = "not an image that can be decoded" if data else "empty"
        raise Refused(400, f"{name}: {found}; send the content of an image file")
    height, width = header.size
    if height * width > limits.pixels:
        most = f"{limits.pixels:,} are taken"
        raise Refused(413, f"{name}: claims {width} x {height} pixels; at most {most}; make it smaller")


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises Refused if it is none, or has very many texts."""
    if body.count(b'"') > 2 * _MOST:
        raise Refused(413, f"body: more than {_MOST:,} texts in JSON; send several requests")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:  # also if it is not UTF-8
        raise Refused(400, f"body: no JSON ({str(error)[:100]}); see /docs for an example") from None
    if not isinstance(content, dict):
        raise Refused(400, f"body: found a {type(content).__name__}; expected an object; see /docs for an example")
    return content


def decode_base64(text: object, name: str) -> bytes:
    """The bytes of base64 text, which may be a data URL. Raises Refused if it is none."""
    if not isinstance(text, str):
        raise Refused(400, f"{name}: found {type(text).__name__}; expected an image file in base64")
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        found = f"{text[:20]!r}…"
        raise Refused(
            400, f"{name}: found {found}; expected an image file in base64, as `base64 -w0 street.jpg` gives it"
        ) from None


def check_names(found: Iterable[str], known: Iterable[str]) -> None:
    """Raises Refused if a name of an option is not known."""
    if unknown := [name for name in found if name not in known]:
        raise Refused(400, f"{unknown[0]:.50}: not known here; expected {', '.join(known)}")


def _read_json(body: bytes, limits: Limits) -> Upload:
    content = parse_json(body)
    check_names(content, ("image", "images", *OPTIONS))
    encoded = content.pop("images", [])
    if not isinstance(encoded, list):
        raise Refused(400, f"images: found {type(encoded).__name__}; expected a list of image files in base64")
    if "image" in content:
        encoded = [content.pop("image"), *encoded]
    check_count(len(encoded), limits)
    return Upload([decode_base64(text, f"images[{i}]") for i, text in enumerate(encoded)], content)


def _read_form(boundary: bytes, body: bytes) -> Upload:
    files, fields = read_form(boundary, body)
    check_names((name for name, _ in [*files, *fields]), (*IMAGE_FIELDS, *OPTIONS))
    if wrong := [name for name, _ in files if name not in IMAGE_FIELDS]:
        raise Refused(400, f"{wrong[0]}: found a file; expected text; send images as `images`")
    if wrong := [name for name, _ in fields if name in IMAGE_FIELDS]:
        raise Refused(400, f"{wrong[0]}: found text; expected a file, as `curl -F {wrong[0]}=@street.jpg` sends it")
    options: dict[str, Any] = {}
    for name, value in fields:
        text = value.decode("utf-8", "replace")
        if name == "classes":
            options.setdefault(name, []).append(text)
        else:
            options[name] = text
    return Upload([data for _, data in files], options)


def join_options(query: Mapping[str, list[str]], options: dict[str, Any]) -> dict[str, Any]:
    """The options of the address and of the body, which wins. Raises Refused if a name is not known."""
    check_names(query, OPTIONS)
    return {name: values if name == "classes" else values[-1] for name, values in query.items()} | options
