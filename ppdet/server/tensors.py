"""Images in the tensors of KServe's v2 protocol."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ppdet.server.batcher import Image
from ppdet.server.limits import Limits
from ppdet.server.refusals import Refused
from ppdet.server.uploads import check_count, check_image, decode_base64

INPUT = "image"


def images_of(tensor: Mapping[str, Any], binary: bytes, limits: Limits) -> list[Image]:
    """The images of an input tensor.

    Args:
        tensor: `datatype` BYTES, shape [n]: image files, in base64 if they are in JSON; or UINT8, shape [h, w, 3] or
            [n, h, w, 3]: pixels, RGB.
        binary: the data, if they are not in JSON.
        limits: of the server.

    Raises:
        Refused: it is no such tensor, or too large.
    """
    shape, kind = tensor.get("shape"), tensor.get("datatype")
    if not isinstance(shape, list) or not all(type(side) is int and 0 < side < 1 << 31 for side in shape):
        raise Refused(400, f"{INPUT}.shape: found {str(shape)[:50]}; expected a list of numbers above 0")
    if kind == "BYTES" and len(shape) == 1:
        check_count(shape[0], limits)
        return list(_files(tensor, shape[0], binary, limits))
    if kind == "UINT8" and len(shape) in (3, 4) and shape[-1] == 3:
        return list(_pixels(tensor, shape, binary, limits))
    raise Refused(
        400, f"{INPUT}: found {str(kind)[:20]} of shape {shape}; expected BYTES [n], or UINT8 [h, w, 3] or [n, h, w, 3]"
    )


def _files(tensor: Mapping[str, Any], count: int, binary: bytes, limits: Limits) -> Iterator[bytes]:
    data = _elements(binary) if binary else tensor.get("data")
    if not isinstance(data, list) or len(data) != count:
        raise Refused(400, f"{INPUT}.data: expected a list of {count} image files in base64, as shape says")
    for i, each in enumerate(data):
        name = f"{INPUT}[{i}]"
        file = each if isinstance(each, bytes) else decode_base64(each, name)
        check_image(file, name, limits)
        yield file


def _elements(binary: bytes) -> list[bytes]:
    """The elements of a binary BYTES tensor: each after its length as 4 bytes, the lowest first."""
    elements, at = [], 0
    while at + 4 <= len(binary):
        (length,) = struct.unpack_from("<I", binary, at)
        elements.append(binary[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(binary):
        raise Refused(400, f"{INPUT}: the binary data end within an image; send each after its length (4 bytes)")
    return elements


def _pixels(tensor: Mapping[str, Any], shape: list[int], binary: bytes, limits: Limits) -> Iterator[np.ndarray]:
    count, height, width = [1, *shape][-4:-1]
    check_count(count, limits)
    if height * width > limits.pixels:
        raise Refused(413, f"{INPUT}: {width} x {height} pixels; at most {limits.pixels:,} are taken; make it smaller")
    data = np.frombuffer(binary, np.uint8) if binary else _numbers(tensor.get("data"))
    if data.size != math.prod(shape) or not 0 <= data.min() <= data.max() <= 255:
        raise Refused(
            400, f"{INPUT}.data: found {data.size} numbers; expected {math.prod(shape)} of 0 to 255, as shape says"
        )
    for image in data.astype(np.uint8).reshape(count, height, width, 3):
        yield np.ascontiguousarray(image[..., ::-1])  # BGR


def _numbers(data: object) -> np.ndarray:
    """The whole numbers of a list, or of lists in lists, one after the other."""
    try:
        numbers = np.array(data).ravel()
    except ValueError:
        numbers = np.array([None])
    if numbers.size and numbers.dtype.kind not in "iu":
        raise Refused(400, f"{INPUT}.data: expected whole numbers of 0 to 255 in a list")
    return numbers
