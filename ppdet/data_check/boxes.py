"""Checks of single boxes: numbers, place, size and shape.

If all boxes of a split were written in another form, only that is reported: the other faults follow from it.
"""

from __future__ import annotations

import numpy as np

from ppdet.data_check.finding import Finding, found
from ppdet.data_check.split import SMALLEST_SIDE, Split

_FEWEST = 5  # boxes from which a rule for all of them is concluded
_MANY_BEYOND = 0.3  # of the boxes; of a file with x, y, width, height hardly any
_TINY = 2  # pixels
SMALL = 8  # pixels of the network's input: one cell of its finest grid
MANY_SMALL = 0.2  # of the boxes of a class
_LONGEST = 20  # times as long as wide
_REMEDY = "correct or remove them; training leaves them out"


def boxes_normalized(split: Split) -> Finding | None:
    """Every coordinate is at most 1: fractions of the image's size instead of pixels."""
    places = split.files_of(_finite(split)) if _is_normalized(split) else []
    return found(
        "error", "boxes have coordinates from 0 to 1 only, like fractions of the image", places, "write pixels"
    )


def boxes_as_xyxy(split: Split) -> Finding | None:
    """Many boxes reach outside as x, y, width, height, and all fit as x1, y1, x2, y2."""
    places = split.files_of(_finite(split)) if is_xyxy(split) else []
    what = "boxes look like x1, y1, x2, y2; read as x, y, width, height, many reach outside their image"
    return found("error", what, places, "write x, y, x2 - x1, y2 - y1")


def boxes_not_numbers(split: Split) -> Finding | None:
    """A box is missing, or is not four finite numbers."""
    return found("error", "boxes are missing, or not four numbers", split.files_of(~_finite(split)), _REMEDY)


def boxes_swapped(split: Split) -> Finding | None:
    """The right or lower edge comes before the left or upper one."""
    mask = _plain(split) & (split.boxes.sides < 0).any(1)
    return found("error", "boxes have a negative width or height", split.files_of(mask), f"swap the corners: {_REMEDY}")


def boxes_without_size(split: Split) -> Finding | None:
    """Width or height is 0."""
    sides = split.boxes.sides
    mask = _plain(split) & (sides >= 0).all(1) & (sides <= SMALLEST_SIDE).any(1)
    return found("error", "boxes have no width or no height", split.files_of(mask), _REMEDY)


def boxes_outside(split: Split) -> Finding | None:
    """A box and its image have no pixel in common."""
    return found("error", "boxes lie outside their image", split.files_of(_sized(split) & _outside(split)), _REMEDY)


def boxes_partly_outside(split: Split) -> Finding | None:
    """A box reaches outside its image by a pixel or more."""
    height, width = _sizes(split).T
    x1, y1, x2, y2 = split.boxes.corners.T
    beyond = (np.minimum(x1, y1) <= -1) | (x2 >= width + 1) | (y2 >= height + 1)
    mask = _sized(split) & ~_outside(split) & beyond
    advice = "check some of them; training cuts them at the border"
    return found("warning", "boxes reach outside their image", split.files_of(mask), advice)


def boxes_tiny(split: Split) -> Finding | None:
    """A side is shorter than 2 pixels of the image."""
    mask = _inside(split) & (split.boxes.sides < _TINY).any(1)
    advice = "remove those that were drawn by mistake"
    return found("warning", f"boxes are less than {_TINY} pixels wide or high", split.files_of(mask), advice)


def boxes_small_for_the_input(split: Split) -> Finding | None:
    """Many boxes of a class are smaller than 8 x 8 pixels after the image is resized to the network's input."""
    usable = _inside(split) & ~split.boxes.crowd
    small = usable & (input_area(split) < SMALL**2)
    shares, worst = [], np.zeros(len(small), bool)
    for index, category in enumerate(split.categories):
        of_class = usable & (split.boxes.class_index == index)
        share = small[of_class].mean() if of_class.any() else 0
        if share > MANY_SMALL:
            shares.append((share, category.name))
            worst |= small & of_class
    height, width = split.network.size
    listed = ", ".join(f"{share:.0%} of {name}" for share, name in sorted(shares, reverse=True)[:3])
    what = f"boxes are under {SMALL} pixels at {width} x {height}: {listed}"
    return found("warning", what, split.files_of(worst), "train at a larger input size, or cut the images into tiles")


def boxes_extreme(split: Split) -> Finding | None:
    """A box is more than 20 times as long as wide."""
    short, long = np.sort(split.boxes.sides, 1).T
    mask = _inside(split) & (short >= _TINY) & (long > _LONGEST * short)
    advice = "check some of them; a detector finds such shapes badly"
    return found("info", f"boxes are over {_LONGEST} times as long as wide", split.files_of(mask), advice)


def boxes_of_whole_images(split: Split) -> Finding | None:
    """A box covers its image up to 1 % of each side."""
    height, width = _sizes(split).T
    x1, y1, x2, y2 = split.boxes.corners.T
    covers = (x1 <= 0.01 * width) & (y1 <= 0.01 * height) & (x2 >= 0.99 * width) & (y2 >= 0.99 * height)
    advice = "check some of them: labels of whole pictures are not boxes"
    return found("info", "boxes cover their whole image", split.files_of(_inside(split) & covers), advice)


def boxes_without_area(split: Split) -> Finding | None:
    """The file gives the area 0 or less for a box that has one."""
    mask = _sized(split) & (split.boxes.area <= 0) & ~split.boxes.crowd
    advice = "write width * height as area; training leaves them out"
    return found("error", "boxes have an `area` of 0 or less, though they have a size", split.files_of(mask), advice)


def boxes_of_crowds(split: Split) -> Finding | None:
    """iscrowd or ignore is set."""
    advice = "nothing to do if they are groups; single objects need iscrowd: 0"
    what = "boxes are marked iscrowd or ignore: left out of training, ignored in evaluation"
    return found("info", what, split.files_of(split.boxes.crowd), advice)


def boxes_difficult(split: Split) -> Finding | None:
    """Pascal VOC's mark for objects that are hard to see."""
    advice = "nothing to do; they are trained on, and VOC's score leaves them out"
    return found("info", "boxes are marked difficult", split.files_of(split.boxes.difficult), advice)


def _finite(split: Split) -> np.ndarray:
    return np.asarray(np.isfinite(split.boxes.corners).all(1))


def _plain(split: Split) -> np.ndarray:
    """[N] bool: boxes of numbers; none if the whole split was written in another form."""
    return np.asarray(_finite(split) & (not _is_normalized(split) and not is_xyxy(split)))


def _sized(split: Split) -> np.ndarray:
    return np.asarray(_plain(split) & (split.boxes.sides > SMALLEST_SIDE).all(1))


def _inside(split: Split) -> np.ndarray:
    return np.asarray(_sized(split) & ~_outside(split))


def _sizes(split: Split) -> np.ndarray:
    """[N, 2]: (height, width) of the image of each box."""
    return np.asarray(split.image_sizes[split.boxes.image])


def _outside(split: Split) -> np.ndarray:
    height, width = _sizes(split).T
    x1, y1, x2, y2 = split.boxes.corners.T
    return np.asarray((x1 >= width) | (y1 >= height) | (x2 <= 0) | (y2 <= 0))


def _is_normalized(split: Split) -> bool:
    corners = split.boxes.corners[_finite(split)]
    return len(corners) >= _FEWEST and bool((np.abs(corners) <= 1).all())


def is_xyxy(split: Split) -> bool:
    """Whether the boxes of x, y, width, height look like corners: many reach outside, and as corners all fit."""
    finite = _finite(split)
    x, y, right, bottom = split.boxes.corners[finite].T
    height, width = _sizes(split)[finite].T
    x2, y2 = right - x, bottom - y
    beyond = (right > width + 1) | (bottom > height + 1)
    fits = (x2 > x) & (y2 > y) & (x2 <= width + 1) & (y2 <= height + 1)
    return len(x) >= _FEWEST and bool(fits.all()) and float(beyond.mean()) > _MANY_BEYOND


def input_area(split: Split) -> np.ndarray:
    """[N]: the area of each box in pixels of the network's input, or of its image if that has no known size."""
    sizes = _sizes(split)
    scale = np.where(np.isfinite(sizes), np.array(split.network.size) / np.maximum(sizes, 1), 1)
    factor = scale.min(1) ** 2 if split.network.keep_ratio else scale.prod(1)
    return np.asarray(split.boxes.sides.clip(0).prod(1) * factor)
