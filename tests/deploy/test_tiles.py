"""Tiles of a large image and how their boxes come together."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.deploy.errors import DeployError
from ppdet.deploy.tiles import cut, merge, windows


@pytest.mark.parametrize("size", [(1000, 1300), (640, 640), (641, 2000), (100, 80), (640, 100)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_windows_cover_the_image_and_overlap(size, overlap):
    covered = np.zeros(size, int)
    found = windows(size, (640, 640), overlap)
    for x1, y1, x2, y2 in found:
        assert (y2 - y1, x2 - x1) == (min(640, size[0]), min(640, size[1]))
        covered[y1:y2, x1:x2] += 1
    assert covered.min() == 1
    starts = sorted({x1 for x1, *_ in found})
    assert all(b - a <= 640 * (1 - overlap) + 1 for a, b in zip(starts, starts[1:], strict=False))


@pytest.mark.parametrize(("tile", "overlap"), [((0, 640), 0.2), ((640, 640), 0.95), ((640, 640), -0.1)])
def test_bad_tiles(tile, overlap):
    with pytest.raises(DeployError, match="^tile, overlap: found"):
        windows((1000, 1000), tile, overlap)


def test_boxes_at_edges_inside_the_image_are_cut():
    rows = np.array([[0, 1, 0, 0, 50, 50], [0, 1, 60, 10, 100, 50], [0, 1, 10, 10, 50, 50]], np.float32)
    assert cut(rows, (0, 0, 100, 100), (100, 200)).tolist() == [False, True, False]
    assert cut(rows, (0, 0, 100, 100), (100, 100)).tolist() == [False, False, False]


def test_merge():
    rows = np.array(
        [
            [0, 0.9, 50, 0, 100, 40],  # 0: the left part of row 1, cut, and surer
            [0, 0.6, 50, 0, 200, 40],  # 1: whole
            [0, 0.8, 52, 0, 198, 40],  # 2: as row 1, in another tile
            [1, 0.5, 50, 0, 200, 40],  # 3: another class
            [0, 0.4, 150, 0, 190, 40],  # 4: inside of row 1, not cut: another object
            [0, 0.7, 50, 0, 200, 41],  # 5: in the same tile as row 2, which has had its NMS
        ],
        np.float32,
    )
    tile, is_cut = np.array([0, 1, 2, 2, 0, 2]), np.array([True, False, False, False, False, False])
    kept = merge(rows, tile, is_cut, 0.5)
    np.testing.assert_array_equal(np.sort(kept[:, 1]), np.sort(rows[[2, 3, 4, 5], 1]))
    assert merge(np.empty((0, 6), np.float32), np.empty(0, int), np.empty(0, bool), 0.5).shape == (0, 6)
