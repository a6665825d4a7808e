"""A video of moving road signs whose places are known: the demo's signs cross, and pass behind each other and pillars.

Positions need no pictures: `make_sequence` gives them, `render` draws them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

sys.path.append(str(Path(__file__).parents[2] / "dataset" / "demo"))

from backgrounds import draw_background
from signs import SIGNS, draw_sign

WIDTH, HEIGHT, RATE = 480, 360, 30
PILLARS = ((140, 40), (320, 55))  # x and width of what stands in front of all signs
VISIBLE = 0.3  # share of a sign that must be in sight for it to count
NAMES = tuple(SIGNS)


@dataclass(frozen=True)
class Sign:
    """A sign on its way through the picture; those of higher numbers are in front of those of lower ones.

    first     the first frame
    place     x, y of its upper left corner then
    velocity  pixels per frame
    """

    number: int
    class_id: int
    side: int
    first: int
    place: tuple[float, float]
    velocity: tuple[float, float]

    def box(self, frame: int) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 in `frame`, whole pixels."""
        x, y = (round(p + v * (frame - self.first)) for p, v in zip(self.place, self.velocity, strict=True))
        return x, y, x + self.side, y + self.side


@dataclass(frozen=True)
class Truth:
    """The signs of a frame that are in sight.

    ids, class_ids  [n] int64
    boxes           [n, 4] float32 xyxy, pixels, cut at the picture's edges; hidden parts belong to them
    """

    ids: np.ndarray
    class_ids: np.ndarray
    boxes: np.ndarray


def make_signs(frames: int, seed: int, every: int = 22, kinds: int = 3) -> list[Sign]:
    """Signs of `kinds` classes that come in from the left and right, one each `every` frames."""
    rng = np.random.default_rng(seed)
    signs = []
    classes = rng.permutation(len(NAMES))[:kinds]
    for number, first in enumerate(range(0, frames, every), 1):
        side, speed = int(rng.integers(56, 100)), float(rng.uniform(3, 6))
        from_left = bool(rng.random() < 0.5)
        x, y = (-side + 1 if from_left else WIDTH - 1), float(rng.uniform(0, HEIGHT - side))
        end = float(rng.uniform(0, HEIGHT - side))
        fall = (end - y) / ((WIDTH + side) / speed)
        velocity = (speed if from_left else -speed, fall)
        signs.append(Sign(number, int(rng.choice(classes)), side, first, (x, y), velocity))
    return signs


def make_sequence(signs: list[Sign], frames: int) -> list[Truth]:
    """The Truth of each frame."""
    return [_truth(signs, frame) for frame in range(frames)]


def render(signs: list[Sign], frames: int, seed: int) -> Iterator[np.ndarray]:
    """The frames [HEIGHT, WIDTH, 3] uint8 RGB."""
    rng = np.random.default_rng(seed)
    back = draw_background(HEIGHT, WIDTH, rng)
    layers = {sign.number: _layer(sign, rng) for sign in signs}
    grain = rng.normal(0, 2, (8, HEIGHT, WIDTH, 3)).astype(np.float32)
    for frame in range(frames):
        image = back.astype(np.float32)
        for sign in signs:
            x1, y1, x2, y2 = sign.box(frame)
            if frame >= sign.first and x2 > 0 and x1 < WIDTH:
                left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, WIDTH), min(y2, HEIGHT)
                part = layers[sign.number][top - y1 : bottom - y1, left - x1 : right - x1]
                under = image[top:bottom, left:right]
                under[:] = part[..., :3] + under * (1 - part[..., 3:] / 255)
        for x, width in PILLARS:
            image[:, x : x + width] = (92, 88, 84)
        yield np.clip(image + grain[frame % len(grain)], 0, 255).astype(np.uint8)


def _layer(sign: Sign, rng: np.random.Generator) -> np.ndarray:
    """[side, side, 4] float32 RGBA, the sign cut to its edges."""
    pixels = draw_sign(NAMES[sign.class_id], rng)
    ys, xs = np.nonzero(pixels[..., 3])
    cut = pixels[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    light = np.float32(rng.uniform(0.75, 1.0))
    layer = cv2.resize(cut, (sign.side, sign.side), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.concatenate([layer[..., :3] * light * (layer[..., 3:] / 255), layer[..., 3:]], axis=2)


def _truth(signs: list[Sign], frame: int) -> Truth:
    owner = np.zeros((HEIGHT, WIDTH), np.int32)
    present = []
    for sign in signs:
        x1, y1, x2, y2 = sign.box(frame)
        if frame >= sign.first and x2 > 0 and x1 < WIDTH:
            owner[max(y1, 0) : y2, max(x1, 0) : x2] = sign.number
            present.append(sign)
    for x, width in PILLARS:
        owner[:, x : x + width] = 0
    seen = [sign for sign in present if (owner == sign.number).sum() >= VISIBLE * sign.side**2]
    boxes = np.array([sign.box(frame) for sign in seen], np.float32).reshape(-1, 4)
    return Truth(
        np.array([sign.number for sign in seen], np.int64),
        np.array([sign.class_id for sign in seen], np.int64),
        np.clip(boxes, 0, (WIDTH, HEIGHT) * 2).astype(np.float32),
    )
