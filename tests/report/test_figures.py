"""Figures as files and as markup for the page."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[report]")

from ppdet.report import plots
from ppdet.report.drawing import place
from ppdet.report.figures import BLUE, COLORS, figure, save
from ppdet.utils.plot_style import plain


def drawn(path: Path, name: str = "x") -> str:
    with figure(4, 3) as (page, axes):
        axes.plot([0, 1], [0, 1], color=BLUE, marker="o", label=plain("$a_{<b>"))
        axes.legend()
        return save(page, path / f"{name}.png")


def test_a_figure_is_a_file_and_markup(tmp_path: Path) -> None:
    svg = drawn(tmp_path)
    assert cv2.imread(str(tmp_path / "x.png")).shape == (480, 640, 3)
    assert svg.startswith('<svg viewBox="0 0 288 216"')
    assert "$a_{&lt;b&gt;" in svg  # a name is text, and no formula


def test_markup_refers_to_nothing_outside(tmp_path: Path) -> None:
    svg = drawn(tmp_path)
    assert not re.search(r"https?:|<metadata|<style|<\?xml|<!DOCTYPE", svg)
    assert all(target.startswith("#x-") for target in re.findall(r'href="([^"]*)"', svg))


def test_markup_has_the_colors_of_the_page(tmp_path: Path) -> None:
    svg = drawn(tmp_path)
    assert "stroke: var(--blue)" in svg
    assert not any(value in svg for value in COLORS.values())
    assert "font-family" not in svg


def test_ids_are_unique_on_a_page(tmp_path: Path) -> None:
    first, second = (re.findall(r'\bid="([^"]*)"', drawn(tmp_path, name)) for name in "ab")
    assert first
    assert not set(first) & set(second)


def test_the_place_of_the_axes(tmp_path: Path) -> None:
    """A line from corner to corner ends at the place's corners."""
    with figure(4, 3) as (page, axes):
        axes.plot([0, 1], [0, 1], color="#123456", clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        svg = save(page, tmp_path / "x.png")
        left, top, right, bottom = map(float, place(page, axes).split())
    line = next(part for part in svg.split("<path ") if "#123456" in part)
    x0, y0, x1, y1 = map(
        float, re.findall(r"[ML] ([\d.]+) ([\d.]+)", line)[0] + re.findall(r"L ([\d.]+) ([\d.]+)", line)[-1]
    )
    assert (x0, y0, x1, y1) == pytest.approx((left, bottom, right, top), abs=0.05)


def test_every_plot_of_nothing(tmp_path: Path) -> None:
    """A data set without objects still has a report."""
    nothing, nan = np.empty(0), np.full(10, np.nan)
    draws = [
        lambda axes: plots.precision_recall(axes, np.empty((2, 0)), []),
        lambda axes: plots.against_threshold(axes, np.linspace(0, 1, 10), {"F1": nan}, None),
        lambda axes: plots.bars(axes, ["missed"], [0.0], "AP"),
        lambda axes: plots.buckets(axes, [], [], [], "size", "side"),
        lambda axes: plots.reliability(axes, nan, nan, np.zeros(10, int)),
        lambda axes: plots.class_counts(axes, ["a"], [0]),
        lambda axes: plots.histogram(axes, {"here": nothing}, np.geomspace(1, 64, 9), "sizes", "pixels"),
    ]
    for index, draw in enumerate(draws):
        with figure(3, 2) as (page, axes):
            draw(axes)
            assert "<svg" in save(page, tmp_path / f"{index}.png")
