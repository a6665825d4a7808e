"""Street-like backgrounds: sky, hills, buildings, trees, road, and things that look a little like signs."""

from __future__ import annotations

import cv2
import numpy as np

Colour = tuple[int, int, int]


def draw_background(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a random street scene: RGB uint8 [height, width, 3]."""
    horizon = int(height * rng.uniform(0.35, 0.65))
    image = _sky(height, width, rng)
    for _ in range(rng.integers(0, 3)):
        _hills(image, horizon, rng)
    for _ in range(rng.integers(0, 5)):
        _building(image, horizon, rng)
    _ground(image, horizon, rng)
    if rng.random() < 0.7:
        _road(image, horizon, rng)
    for _ in range(rng.integers(0, 5)):
        _tree(image, horizon, rng)
    for _ in range(rng.integers(1, 6)):
        draw = (_board, _car, _traffic_light, _plain_shape, _wire)[rng.integers(5)]
        draw(image, horizon, rng)
    return image


def value_noise(height: int, width: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise in about 0..1, float32 [height, width]: three octaves, `cells` lumps across at the coarsest."""
    noise = np.zeros((height, width), np.float32)
    for octave in range(3):
        grid = rng.random((cells * 2**octave, cells * 2**octave), np.float32)
        noise += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.5 ** (octave + 1)
    return noise / 0.875


def random_colour(rng: np.random.Generator, low: int = 30, high: int = 225) -> Colour:
    """A colour of three independent parts in low..high."""
    r, g, b = rng.integers(low, high, 3)
    return int(r), int(g), int(b)


def foliage(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Leaf texture, RGB uint8 [height, width, 3]."""
    light = 0.4 + 0.9 * value_noise(height, width, 6, rng) + rng.normal(0, 0.12, (height, width))
    green = np.array([rng.uniform(40, 110), rng.uniform(80, 130), rng.uniform(20, 60)])
    return np.clip(light[..., None] * green, 0, 255).astype(np.uint8)


def _sky(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    tops = np.array([[70, 130, 205], [150, 160, 170], [60, 80, 130], [190, 205, 220], [120, 110, 140]])
    feet = np.array([[190, 215, 235], [200, 205, 208], [235, 170, 120], [225, 230, 235], [220, 190, 170]])
    kind = rng.integers(len(tops))
    ramp = np.linspace(0, 1, height)[:, None, None]
    sky = tops[kind] * (1 - ramp) + feet[kind] * ramp
    clouds = np.clip(value_noise(height, width, int(rng.integers(2, 6)), rng) - 0.5, 0, 1)[..., None] * rng.uniform(
        0, 3
    )
    return np.clip(sky + clouds * (245 - sky), 0, 255).astype(np.uint8)


def _paint(image: np.ndarray, mask: np.ndarray, texture: np.ndarray) -> None:
    """Copy `texture` into `image` in place where the uint8 `mask` is set."""
    image[mask > 0] = texture[mask > 0]


def _textured(image: np.ndarray, colour: Colour, grain: float, rng: np.random.Generator) -> np.ndarray:
    """The colour with patches and grain, as large as `image`."""
    h, w = image.shape[:2]
    light = 0.75 + 0.5 * value_noise(h, w, int(rng.integers(3, 12)), rng) + rng.normal(0, grain, (h, w))
    return np.clip(light[..., None] * np.array(colour), 0, 255).astype(np.uint8)


def _hills(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    h, w = image.shape[:2]
    x = np.arange(w)
    top = horizon - rng.uniform(5, 50) * (1 + np.sin(x * rng.uniform(0.01, 0.04) + rng.uniform(0, 6)))
    mask = (np.arange(h)[:, None] > top[None]).astype(np.uint8)
    green = (int(rng.integers(60, 120)), int(rng.integers(90, 140)), int(rng.integers(60, 120)))
    _paint(image, mask, _textured(image, green, 0.08, rng))


def _building(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    h, w = image.shape[:2]
    bw, bh = int(rng.integers(w // 8, w // 2)), int(rng.integers(h // 6, h * 2 // 3))
    x0, y0, y1 = int(rng.integers(-bw // 2, w - bw // 2)), horizon - bh, horizon + int(rng.integers(0, h // 8))
    mask = np.zeros((h, w), np.uint8)
    cv2.rectangle(mask, (x0, y0), (x0 + bw, y1), 1, -1)
    walls = ((170, 150, 130), (150, 90, 75), (190, 185, 175), (120, 120, 125), (205, 190, 150))
    _paint(image, mask, _textured(image, walls[rng.integers(len(walls))], 0.05, rng))
    pitch, fill = int(rng.integers(12, 34)), rng.uniform(0.4, 0.7)
    glass = random_colour(rng, 40, 120)
    for y in range(y0 + pitch // 2, y1 - pitch // 2, pitch):
        for x in range(x0 + pitch // 3, x0 + bw - pitch // 2, pitch):
            shade = tuple(int(v * rng.uniform(0.7, 1.4)) for v in glass)
            cv2.rectangle(image, (x, y), (x + int(pitch * fill), y + int(pitch * fill)), shade, -1)


def _ground(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    kinds = ((95, 120, 60), (130, 125, 110), (150, 140, 100), (110, 110, 112))
    texture = _textured(image, kinds[rng.integers(len(kinds))], 0.12, rng)
    image[horizon:] = texture[horizon:]


def _road(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    h, w = image.shape[:2]
    vanish, left, right = rng.uniform(0.2, 0.8) * w, rng.uniform(-0.6, 0.3) * w, rng.uniform(0.6, 1.6) * w
    corners = np.array([[vanish - 4, horizon], [vanish + 4, horizon], [right, h], [left, h]], np.int32)
    mask = np.zeros((h, w), np.uint8)
    cv2.fillPoly(mask, [corners], 1)
    grey = int(rng.integers(70, 115))
    _paint(image, mask, _textured(image, (grey, grey, grey + 4), 0.07, rng))
    middle = (left + right) / 2
    for t in np.arange(rng.uniform(0.05, 0.2), 1, 0.22):  # dashes of the centre line grow towards us
        for s in np.linspace(t, min(t + 0.1, 1), 6):
            at = (int(vanish + (middle - vanish) * s), int(horizon + (h - horizon) * s))
            cv2.line(image, at, (at[0], at[1] + 4), (215, 215, 210), max(1, int(6 * s)))


def _tree(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    h, w = image.shape[:2]
    x, y, r = int(rng.integers(0, w)), horizon - int(rng.integers(0, h // 4)), int(rng.integers(12, 55))
    cv2.line(image, (x, y), (x, horizon + int(rng.integers(5, 40))), (70, 55, 40), max(2, r // 8))
    mask = np.zeros((h, w), np.uint8)
    for _ in range(14):
        centre = (x + int(rng.normal(0, r * 0.5)), y + int(rng.normal(0, r * 0.4)))
        cv2.circle(mask, centre, int(r * rng.uniform(0.25, 0.6)), 1, -1)
    _paint(image, mask, foliage(h, w, rng))


def _board(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    """An advertisement: a coloured panel with lines of writing."""
    h, w = image.shape[:2]
    bw, bh = int(rng.integers(30, 110)), int(rng.integers(16, 50))
    x, y = int(rng.integers(-10, w - 20)), int(rng.integers(0, h * 2 // 3))
    cv2.rectangle(image, (x, y), (x + bw, y + bh), random_colour(rng), -1)
    ink = random_colour(rng)
    for row in range(y + 5, y + bh - 3, 8):
        cv2.line(image, (x + 5, row), (x + int(bw * rng.uniform(0.4, 0.9)), row), ink, int(rng.integers(1, 4)))


def _car(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    h, w = image.shape[:2]
    s = int(rng.integers(24, 80))
    x, y = int(rng.integers(-s // 2, w - s // 2)), int(rng.integers(horizon, max(horizon + 1, h - s // 3)))
    body = random_colour(rng)
    roof = np.array(
        [[x + s // 5, y], [x + s * 3 // 10, y - s // 4], [x + s * 7 // 10, y - s // 4], [x + s * 4 // 5, y]]
    )
    cv2.fillPoly(image, [roof.astype(np.int32)], (60, 70, 80), cv2.LINE_AA)
    cv2.rectangle(image, (x, y), (x + s, y + s // 4), body, -1)
    for wheel in (x + s // 5, x + s * 4 // 5):
        cv2.circle(image, (wheel, y + s // 4), s // 9, (25, 25, 28), -1, cv2.LINE_AA)
    cv2.circle(image, (x + s - 2, y + s // 10), max(1, s // 18), (220, 40, 40), -1, cv2.LINE_AA)


def _traffic_light(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    h, w = image.shape[:2]
    r = int(rng.integers(3, 9))
    x, y = int(rng.integers(0, w)), int(rng.integers(0, h // 2))
    cv2.line(image, (x, y), (x, h), (80, 82, 84), max(2, r // 2))
    cv2.rectangle(image, (x - r * 3 // 2, y - r * 2), (x + r * 3 // 2, y + r * 6), (28, 30, 30), -1)
    lit = rng.integers(3)
    for i, colour in enumerate(((235, 40, 30), (245, 190, 40), (50, 220, 110))):
        cv2.circle(image, (x, y + i * 2 * r), r, colour if i == lit else (55, 55, 50), -1, cv2.LINE_AA)


def _plain_shape(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    """A disc, square or triangle of one colour: colour or outline alone does not make a sign."""
    h, w = image.shape[:2]
    sides = int(rng.choice([3, 4, 5, 30]))
    centre, radius = (rng.uniform(0, w), rng.uniform(0, h)), rng.uniform(6, 26)
    angles = rng.uniform(0, 6.28) + 2 * np.pi * np.arange(sides) / sides
    points = np.stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)], 1)
    cv2.fillPoly(image, [np.round(points).astype(np.int32)], random_colour(rng), cv2.LINE_AA)


def _wire(image: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    h, w = image.shape[:2]
    ends = (0, int(rng.integers(0, h // 2))), (w, int(rng.integers(0, h // 2)))
    cv2.line(image, *ends, (45, 45, 50), 1, cv2.LINE_AA)
