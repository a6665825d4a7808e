"""Ten road signs, drawn face-on: `draw_sign(name, rng)` gives an RGBA picture, transparent around the sign."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np

SIZE = 256  # side of a drawn sign in pixels; scenes shrink it, which smooths the edges
SHIFT = 4  # cv2 draws with coordinates in 1/16 pixel
RED, BLUE, YELLOW, WHITE, BLACK = (196, 22, 32), (16, 78, 178), (250, 196, 20), (244, 244, 240), (24, 24, 26)

Points = Iterable[tuple[float, float]]
Colour = tuple[int, int, int]

# stroke letters in a unit box, so that the picture does not depend on the fonts of an OpenCV build
_LOOP = [(0.25, 0), (0.75, 0), (1, 0.2), (1, 0.8), (0.75, 1), (0.25, 1), (0, 0.8), (0, 0.2), (0.25, 0)]
GLYPHS: dict[str, list[list[tuple[float, float]]]] = {
    "S": [
        [
            (1, 0.15),
            (0.75, 0),
            (0.25, 0),
            (0, 0.15),
            (0, 0.36),
            (0.25, 0.48),
            (0.75, 0.52),
            (1, 0.64),
            (1, 0.85),
            (0.75, 1),
            (0.25, 1),
            (0, 0.85),
        ]
    ],
    "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
    "O": [_LOOP],
    "P": [[(0, 1), (0, 0), (0.7, 0), (1, 0.12), (1, 0.45), (0.7, 0.57), (0, 0.57)]],
    "0": [_LOOP],
    "3": [
        [(0, 0.1), (0.25, 0), (0.75, 0), (1, 0.14), (1, 0.36), (0.7, 0.48), (0.4, 0.48)],
        [(0.7, 0.48), (1, 0.6), (1, 0.86), (0.75, 1), (0.25, 1), (0, 0.9)],
    ],
    "5": [[(0.95, 0), (0.1, 0), (0.04, 0.46), (0.7, 0.42), (1, 0.56), (1, 0.84), (0.72, 1), (0.25, 1), (0, 0.9)]],
    "7": [[(0, 0), (1, 0), (0.4, 1)]],
}


class Canvas:
    """An RGBA uint8 picture [SIZE, SIZE, 4] with drawing in unit coordinates (x right, y down, 0..1)."""

    def __init__(self) -> None:
        self.pixels = np.zeros((SIZE, SIZE, 4), np.uint8)

    def polygon(self, points: Points, colour: Colour) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self.pixels, [_fixed(points)], (*colour, 255), cv2.LINE_AA, SHIFT)

    def line(self, points: Points, width: float, colour: Colour) -> None:
        """Draw connected strokes of the given width with round joints."""
        thickness = max(1, round(width * SIZE))
        cv2.polylines(self.pixels, [_fixed(points)], False, (*colour, 255), thickness, cv2.LINE_AA, SHIFT)

    def disc(self, radius: float, colour: Colour, centre: tuple[float, float] = (0.5, 0.5)) -> None:
        """Fill a circle."""
        x, y = _fixed([centre])[0]
        cv2.circle(
            self.pixels, (int(x), int(y)), round(radius * SIZE * 2**SHIFT), (*colour, 255), -1, cv2.LINE_AA, SHIFT
        )

    def text(self, text: str, box: tuple[float, float, float, float], width: float, colour: Colour) -> None:
        """Write `text` into box (x, y, width, height); letters are 0.7 of their pitch wide."""
        x0, y0, w, h = box
        pitch = w / (len(text) - 0.3)
        for i, letter in enumerate(text):
            for stroke in GLYPHS[letter]:
                self.line([(x0 + pitch * (i + 0.7 * x), y0 + h * y) for x, y in stroke], width, colour)


def draw_sign(name: str, rng: np.random.Generator) -> np.ndarray:
    """Draw the sign `name` (a key of SIGNS): RGBA uint8 [SIZE, SIZE, 4], alpha 0 outside of the sign."""
    canvas = Canvas()
    SIGNS[name](canvas, rng)
    return canvas.pixels


def regular_polygon(sides: int, radius: float, turn: float) -> list[tuple[float, float]]:
    """Corners around the middle of the canvas; `turn` in degrees clockwise from the right."""
    angles = np.deg2rad(turn) + 2 * np.pi * np.arange(sides) / sides
    return [(0.5 + radius * float(np.cos(a)), 0.5 + radius * float(np.sin(a))) for a in angles]


def _fixed(points: Points) -> np.ndarray:
    return np.round(np.asarray(list(points), np.float64) * SIZE * 2**SHIFT).astype(np.int32)


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _stop(c: Canvas, rng: np.random.Generator) -> None:
    c.polygon(regular_polygon(8, 0.495, 22.5), WHITE)
    c.polygon(regular_polygon(8, 0.455, 22.5), RED)
    c.text("STOP", (0.18, 0.37, 0.64, 0.26), 0.04, WHITE)


def _yield(c: Canvas, rng: np.random.Generator) -> None:
    c.polygon([(0.01, 0.07), (0.99, 0.07), (0.5, 0.93)], RED)
    c.polygon([(0.22, 0.19), (0.78, 0.19), (0.5, 0.69)], WHITE)


def _speed_limit(c: Canvas, rng: np.random.Generator) -> None:
    c.disc(0.49, RED)
    c.disc(0.37, WHITE)
    c.text(str(rng.choice(["30", "50", "70"])), (0.28, 0.34, 0.44, 0.32), 0.07, BLACK)


def _no_entry(c: Canvas, rng: np.random.Generator) -> None:
    c.disc(0.49, WHITE)
    c.disc(0.47, RED)
    c.polygon(_rectangle(0.15, 0.41, 0.85, 0.59), WHITE)


def _priority(c: Canvas, rng: np.random.Generator) -> None:
    c.polygon(regular_polygon(4, 0.495, 0), BLACK)
    c.polygon(regular_polygon(4, 0.475, 0), WHITE)
    c.polygon(regular_polygon(4, 0.335, 0), YELLOW)


def _warning(c: Canvas, rng: np.random.Generator) -> None:
    c.polygon([(0.01, 0.93), (0.99, 0.93), (0.5, 0.07)], RED)
    c.polygon([(0.17, 0.84), (0.83, 0.84), (0.5, 0.26)], YELLOW)
    c.line([(0.5, 0.46), (0.5, 0.62)], 0.09, BLACK)
    c.disc(0.05, BLACK, (0.5, 0.755))


def _keep_right(c: Canvas, rng: np.random.Generator) -> None:
    c.disc(0.49, WHITE)
    c.disc(0.465, BLUE)
    c.line([(0.27, 0.27), (0.62, 0.62)], 0.12, WHITE)
    c.polygon([(0.78, 0.78), (0.76, 0.40), (0.40, 0.76)], WHITE)


def _parking(c: Canvas, rng: np.random.Generator) -> None:
    c.polygon(_rectangle(0.05, 0.05, 0.95, 0.95), WHITE)
    c.polygon(_rectangle(0.08, 0.08, 0.92, 0.92), BLUE)
    c.text("P", (0.34, 0.22, 0.36, 0.58), 0.12, WHITE)


def _crossing(c: Canvas, rng: np.random.Generator) -> None:
    c.polygon(_rectangle(0.05, 0.05, 0.95, 0.95), BLUE)
    c.polygon([(0.11, 0.86), (0.89, 0.86), (0.5, 0.12)], WHITE)
    c.disc(0.05, BLACK, (0.5, 0.36))
    c.line([(0.5, 0.42), (0.49, 0.6), (0.40, 0.77)], 0.055, BLACK)
    c.line([(0.49, 0.6), (0.59, 0.77)], 0.05, BLACK)
    c.line([(0.41, 0.56), (0.5, 0.46), (0.59, 0.56)], 0.035, BLACK)
    for x in (0.22, 0.38, 0.54, 0.70):
        c.line([(x, 0.81), (x + 0.08, 0.81)], 0.025, BLACK)


def _roundabout(c: Canvas, rng: np.random.Generator) -> None:
    c.disc(0.49, WHITE)
    c.disc(0.465, BLUE)
    for start in (0, 120, 240):
        angles = np.deg2rad(start + np.arange(0, 71, 7))
        c.line([(0.5 + 0.26 * float(np.cos(a)), 0.5 + 0.26 * float(np.sin(a))) for a in angles], 0.085, WHITE)
        tip, base = np.deg2rad(start + 108), np.deg2rad(start + 70)
        head = [(0.26, tip), (0.37, base), (0.15, base)]
        c.polygon([(0.5 + r * float(np.cos(a)), 0.5 + r * float(np.sin(a))) for r, a in head], WHITE)


SIGNS: dict[str, Callable[[Canvas, np.random.Generator], None]] = {
    "stop": _stop,
    "yield": _yield,
    "speed_limit": _speed_limit,
    "no_entry": _no_entry,
    "priority_road": _priority,
    "warning": _warning,
    "keep_right": _keep_right,
    "parking": _parking,
    "pedestrian_crossing": _crossing,
    "roundabout": _roundabout,
}
