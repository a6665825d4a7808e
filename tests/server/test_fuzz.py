"""Mutated images crash and block nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.server.conftest import encoded


def mutants(count: int) -> list[bytes]:
    """Files of several formats with bytes changed, cut out, doubled or cut off."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (37, 53, 3), np.uint8)
    suffixes = (".jpg", ".png", ".webp", ".bmp", ".tiff", ".ppm")
    whole = [bytes(cv2.imencode(suffix, noise)[1].tobytes()) for suffix in suffixes]
    made = []
    for i in range(count):
        data = bytearray(whole[i % len(whole)])
        for _ in range(rng.integers(1, 6)):
            start = int(rng.integers(0, len(data) if rng.random() < 0.5 else min(64, len(data))))
            end = start + int(rng.integers(1, 16))
            kind = rng.integers(0, 4)
            if kind == 0:
                data[start:end] = rng.bytes(end - start)
            elif kind == 1:
                del data[start:end]
            elif kind == 2:
                data[start:start] = data[start:end] * 3
            else:
                del data[max(start, 8) :]
        made.append(bytes(data))
    return made


def send_all(server, count: int) -> None:
    good = server.detect(encoded()).json
    statuses = set()
    for data in mutants(count):
        answer = server.detect(data)
        assert answer.status in (200, 400, 413), answer.body
        assert "\n" not in answer.json.get("error", "")
        statuses.add(answer.status)
    assert {200, 400} <= statuses
    assert server.detect(encoded()).json == good
    assert server.process.poll() is None


def test_some_mutated_images(server):
    send_all(server, 36)


@pytest.mark.slow
def test_mutated_images(server):
    send_all(server, 500)
