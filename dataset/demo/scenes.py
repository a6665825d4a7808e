"""Signs in a street scene as a camera would see them: `make_scene(rng)` gives the picture and its objects."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from backgrounds import draw_background, foliage, value_noise
from signs import SIGNS, draw_sign

SIZES = ((320, 240), (352, 264), (384, 288), (320, 256), (256, 320))  # width, height
EMPTY, CROWDED = 0.03, 0.03  # shares of images without signs, and of images with a crowd region
NAMES = tuple(SIGNS)


@dataclass(frozen=True)
class Object:
    """One annotated sign, or a crowd of small equal signs."""

    name: str
    bbox: tuple[float, float, float, float]  # x, y, width, height in pixels, inside the image
    area: float  # visible sign pixels
    iscrowd: int = 0


def make_scene(rng: np.random.Generator) -> tuple[np.ndarray, list[Object]]:
    """Draw one picture (RGB uint8 [h, w, 3]) with 0 to 6 signs, and perhaps a crowd region."""
    width, height = SIZES[rng.integers(len(SIZES))]
    image = draw_background(height, width, rng)
    objects: list[Object] = []
    if rng.random() >= EMPTY:
        if rng.random() < CROWDED:
            objects.append(_place_crowd(image, rng))
        for _ in range(rng.choice(6, p=[0.12, 0.22, 0.26, 0.2, 0.12, 0.08]) + 1):
            objects.extend(_place_sign(image, objects, rng))
    return _photograph(image, rng), objects


def _place_sign(image: np.ndarray, others: list[Object], rng: np.random.Generator) -> list[Object]:
    """Paint one sign in place where it hardly covers `others`; an empty list when there is no room left."""
    height, width = image.shape[:2]
    name = NAMES[rng.integers(len(NAMES))]
    for _ in range(30):
        side = float(np.exp(rng.uniform(np.log(52), np.log(180))))
        overhang = 0.25 * side if rng.random() < 0.1 else 0.0
        x = rng.uniform(-overhang, max(1.0, width - side + overhang))
        y = rng.uniform(-overhang, max(1.0, height - side + overhang))
        if all(_overlap((x, y, side, side), other.bbox) < 0.06 for other in others):
            break
    else:
        return []
    layer = _lit(_warped(draw_sign(name, rng), side, rng), rng)
    if rng.random() < 0.6:
        _pole(image, int(x + side / 2), int(y + side * 0.7), side, rng)
    visible = _blend(image, layer, round(x), round(y))
    if rng.random() < 0.2:
        _occlude(image, x, y, side, rng)
    ys, xs = np.nonzero(visible > 0.4)
    if len(xs) < 80:
        return []
    box = (int(xs.min()), int(ys.min()), int(xs.max() - xs.min() + 1), int(ys.max() - ys.min() + 1))
    return [Object(name, box, float(len(xs)))]


def _place_crowd(image: np.ndarray, rng: np.random.Generator) -> Object:
    """Paint a rack of small equal signs in place, annotated as one crowd region."""
    height, width = image.shape[:2]
    name, side = NAMES[rng.integers(len(NAMES))], int(rng.integers(14, 20))
    columns, rows = int(rng.integers(4, 8)), int(rng.integers(2, 4))
    x0, y0 = int(rng.integers(0, width - columns * side)), int(rng.integers(0, height - rows * side))
    area = 0.0
    for row in range(rows):
        for column in range(columns):
            layer = _lit(_warped(draw_sign(name, rng), side, rng), rng)
            area += float((_blend(image, layer, x0 + column * side, y0 + row * side) > 0.4).sum())
    return Object(name, (x0, y0, columns * side, rows * side), area, iscrowd=1)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection of two xywh boxes over the smaller one's area."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(w, 0.0) * max(h, 0.0) / min(a[2] * a[3], b[2] * b[3])


def _warped(sign: np.ndarray, side: float, rng: np.random.Generator) -> np.ndarray:
    """View the sign at an angle: premultiplied RGBA float32 [n, n, 4] in 0..255, n about `side`."""
    fine = 2 * round(side)  # twice the final resolution, for smooth edges
    sign = cv2.resize(sign, (fine, fine), interpolation=cv2.INTER_AREA)
    turn, squeeze = np.deg2rad(rng.normal(0, 6)), rng.uniform(0.72, 1.0)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (squeeze, rng.uniform(0.92, 1.0))
    corners = corners * (1 + rng.uniform(-0.08, 0.08, (4, 1)))  # perspective
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = corners @ rotation * 0.9
    source = np.array([[0, 0], [fine, 0], [fine, fine], [0, fine]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, ((corners + 1) * fine / 2).astype(np.float32))
    view = cv2.warpPerspective(sign, matrix, (fine, fine), flags=cv2.INTER_LINEAR)
    return cv2.resize(view, (fine // 2, fine // 2), interpolation=cv2.INTER_AREA).astype(np.float32)


def _lit(layer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light the sign: exposure, colour cast, dirt, and a soft shadow from one side."""
    n = len(layer)
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.45)
    ramp = np.linspace(-1, 1, n, dtype=np.float32)
    slope = np.cos(angle) * ramp[None] + np.sin(angle) * ramp[:, None]
    light = rng.uniform(0.6, 1.08) * (1 - depth * (np.clip(slope * rng.uniform(1, 4), -1, 1) + 1) / 2)
    light = light * (0.9 + 0.15 * value_noise(n, n, 3, rng))
    lit = layer.copy()
    lit[..., :3] *= light[..., None].astype(np.float32) * rng.uniform(0.92, 1.06, 3).astype(np.float32)
    return lit


def _blend(image: np.ndarray, layer: np.ndarray, x: int, y: int) -> np.ndarray:
    """Lay a premultiplied RGBA layer on the image in place at (x, y); returns its alpha [h, w] in 0..1 there."""
    height, width = image.shape[:2]
    alpha = np.zeros((height, width), np.float32)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + layer.shape[1], width), min(y + layer.shape[0], height)
    part = layer[y0 - y : y1 - y, x0 - x : x1 - x]
    alpha[y0:y1, x0:x1] = part[..., 3] / 255
    under = image[y0:y1, x0:x1]
    under[:] = np.clip(part[..., :3] + under * (1 - part[..., 3:] / 255), 0, 255).astype(np.uint8)
    return alpha


def _pole(image: np.ndarray, x: int, top: int, side: float, rng: np.random.Generator) -> None:
    grey, width = int(rng.integers(70, 170)), max(2, int(side * rng.uniform(0.04, 0.09)))
    cv2.line(image, (x, top), (x, image.shape[0]), (grey, grey, grey), width)
    cv2.line(image, (x - width // 4, top), (x - width // 4, image.shape[0]), (grey + 40,) * 3, max(1, width // 4))


def _occlude(image: np.ndarray, x: float, y: float, side: float, rng: np.random.Generator) -> None:
    """Put a thin pole, or leaves over a corner, in front of the sign; most of it stays visible."""
    height, width = image.shape[:2]
    if rng.random() < 0.4:
        at, thick = int(x + side * rng.uniform(0.2, 0.8)), max(2, int(side * rng.uniform(0.05, 0.1)))
        cv2.line(image, (at, 0), (at, height), (70, 68, 64), thick)
        return
    mask = np.zeros((height, width), np.uint8)
    corner = np.array([x, y]) + side * rng.choice([0.12, 0.88], 2)
    for _ in range(10):
        centre = (corner + rng.normal(0, 0.09 * side, 2)).astype(int)
        axes = (max(1, int(side * rng.uniform(0.06, 0.12))), max(1, int(side * rng.uniform(0.03, 0.06))))
        cv2.ellipse(mask, (int(centre[0]), int(centre[1])), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    image[mask > 0] = foliage(height, width, rng)[mask > 0]


def _photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What light and camera do: a cast shadow, exposure, colour cast, blur, noise; RGB uint8 out."""
    height, width = image.shape[:2]
    view = image.astype(np.float32)
    if rng.random() < 0.4:
        shade = np.clip((value_noise(height, width, 3, rng) - 0.5) * 8, 0, 1)[..., None]
        view *= 1 - shade * np.float32(rng.uniform(0.15, 0.45))
    view = 255 * (view / 255) ** np.float32(rng.uniform(0.8, 1.3))
    view *= (rng.uniform(0.7, 1.15) * rng.uniform(0.93, 1.07, 3)).astype(np.float32)
    if rng.random() < 0.5:
        view = cv2.GaussianBlur(view, (0, 0), float(rng.uniform(0.3, 1.1)))
    elif rng.random() < 0.3:
        kernel = np.zeros((5, 5), np.float32)
        kernel[2, :] = 0.2
        view = cv2.filter2D(view, -1, kernel if rng.random() < 0.5 else kernel.T)
    view += rng.normal(0, rng.uniform(0.5, 7), view.shape).astype(np.float32)
    return np.clip(np.round(view), 0, 255).astype(np.uint8)
