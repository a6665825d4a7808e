"""The page of plots: it is a whole picture, whatever the data set."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.data.datasets import Category
from ppdet.data_view.plots import require_matplotlib, write_plots
from ppdet.data_view.statistics import statistics
from tests.data_view.test_statistics import make_split

pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[plots]")
TRAIN_BLUE = (0xB2, 0x72, 0x00)  # BGR


def plotted(path: Path, *splits) -> np.ndarray:
    write_plots(path, [statistics(split) for split in splits])
    page = cv2.imread(str(path))
    assert page.shape == (900, 1500, 3)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return page


def blue(page: np.ndarray) -> int:
    """Pixels in the color of the first split, in the plot of the classes."""
    return int((page[:450, :500] == TRAIN_BLUE).all(2).sum())


def test_longer_bars_for_more_boxes(tmp_path: Path) -> None:
    """Half the boxes of the second class fill three quarters of what equal bars do."""
    cat, dog = (0, 0, [0, 0, 40, 30]), (1, 1, [10, 10, 90, 50])
    equal = blue(plotted(tmp_path / "equal" / "p.png", make_split(cat, cat, dog, dog)))
    half = blue(plotted(tmp_path / "half" / "p.png", make_split(cat, cat, dog)))
    assert half / equal == pytest.approx(0.75, abs=0.01)


def test_splits_without_boxes_and_images(tmp_path: Path) -> None:
    plotted(tmp_path / "p.png", make_split(), make_split(images=0))


def test_names_are_text(tmp_path: Path) -> None:
    """A class name is no formula, and one in letters that no font has gives no warning."""
    split = replace(make_split((0, 0, [0, 0, 40, 30])), categories=[Category(1, "$x_$^{"), Category(2, "\U00013000")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plotted(tmp_path / "p.png", split)


def test_the_library_is_there() -> None:
    require_matplotlib(Path("p.PNG"))
