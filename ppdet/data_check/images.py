"""Checks of what the image files hold: how they are stored, and their sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ppdet.data_check.finding import Finding, found
from ppdet.data_check.pixels import Pixels
from ppdet.data_check.split import Image, Split

_TINY, _LARGE = 32, 4000  # pixels
_SQUEEZED = 2.5  # times as long, compared with the network's input
_FEWEST = 10  # images of which a rule for all is concluded
_EVEN = 2.0  # standard deviation of the gray values of an image that shows nothing


def images_cmyk(split: Split) -> Finding | None:
    """Four inks instead of red, green and blue."""
    places = _where(split, lambda _, pixels: pixels.storage.colors == "cmyk")
    return found("warning", "images are stored in CMYK", places, "save them as RGB; their colors are converted roughly")


def images_16_bit(split: Split) -> Finding | None:
    """More than 8 bits for a value."""
    places = _where(split, lambda _, pixels: pixels.storage.bits > 8)
    advice = "scale them to 8 bits yourself: the upper 8 bits are used, so dark pictures become black"
    return found("warning", "images have more than 8 bits per value", places, advice)


def images_with_palette(split: Split) -> Finding | None:
    """A table of colors."""
    places = _where(split, lambda _, pixels: pixels.storage.colors == "palette")
    return found("info", "images have a palette", places, "check that they are photos, not masks of a segmentation")


def images_with_alpha(split: Split) -> Finding | None:
    """An opacity for each pixel."""
    places = _where(split, lambda _, pixels: pixels.storage.alpha)
    advice = "save them without transparency if it hides something: it is ignored"
    return found("info", "images have transparency", places, advice)


def images_gray(split: Split) -> Finding | None:
    """Gray images among colored ones."""
    places = _where(split, lambda _, pixels: pixels.storage.colors == "gray")
    mixed = places if len(places) < len(_readable(split)) else []
    return found("info", "images are gray, and others colored", mixed, "nothing to do if both occur in use")


def images_turned(split: Split) -> Finding | None:
    """An EXIF orientation that turns the stored pixels."""
    places = _where(split, lambda _, pixels: pixels.upright_size != pixels.size)
    advice = "look at some with their boxes; they are turned unless the annotated size is that of the stored pixels"
    return found("warning", "images are turned by their EXIF orientation", places, advice)


def sizes_swapped(split: Split) -> Finding | None:
    """Width and height of the annotation are exchanged."""
    places = _where(split, lambda image, pixels: _is_wrong(image, pixels) and image.size == pixels.size[::-1])
    advice = "exchange width and height, and check whether the boxes fit: the image decides"
    return found("error", "images have width and height exchanged in the annotations", places, advice)


def sizes_wrong(split: Split) -> Finding | None:
    """The annotation gives another size."""
    places = _where(split, lambda image, pixels: _is_wrong(image, pixels) and image.size != pixels.size[::-1])
    advice = "if the images were resized, resize the boxes as well: they are taken as pixels of the file"
    return found("error", "images have another size in the annotations", places, advice)


def images_tiny(split: Split) -> Finding | None:
    """A side shorter than 32 pixels."""
    places = _where(split, lambda _, pixels: min(pixels.size) < _TINY)
    return found("warning", f"images are less than {_TINY} pixels wide or high", places, "check that they are no icons")


def images_large(split: Split) -> Finding | None:
    """A side longer than 4000 pixels."""
    places = _where(split, lambda _, pixels: max(pixels.size) > _LARGE)
    advice = "shrink them or cut them into tiles; decoding them takes most of the time of a step"
    return found("info", f"images are more than {_LARGE} pixels wide or high", places, advice)


def images_squeezed(split: Split) -> Finding | None:
    """Resizing changes the shape of the image by a factor over 2.5."""
    height, width = split.network.size
    keep = split.network.keep_ratio
    places = _where(split, lambda _, pixels: _change(pixels, width / height) > _SQUEEZED)
    advice = "keep_ratio: true keeps their shape" if not keep else "cut them into tiles; much of the input is padding"
    return found("warning", f"images are {_SQUEEZED} times longer or higher than the input", places, advice)


def images_of_one_size(split: Split) -> Finding | None:
    """Every image has the same size."""
    readable = _readable(split)
    same = len(readable) >= _FEWEST and len({pixels.upright_size for _, pixels in readable}) == 1
    places = [image.name for image, _ in readable] if same else []
    return found("info", "images, all of them, have one size", places, "nothing to do if images in use have it too")


def images_blank(split: Split) -> Finding | None:
    """An image of a single color."""
    places = _where(split, lambda _, pixels: is_blank(pixels))
    return found("warning", "images show nothing but one color", places, "remove them, unless they occur in use")


def images_without_boxes(split: Split) -> Finding | None:
    """Nothing is annotated in the image, or crowds only."""
    counts = np.bincount(split.boxes.image[~split.boxes.crowd], minlength=len(split.images))
    places = [split.images[index].name for index in np.flatnonzero(counts == 0).tolist()] if len(split.boxes) else []
    used = {True: "trained on as background", False: "scored as background"}[split.is_train]
    what = f"images have no boxes; they are {used}" if split.allow_empty else "images have no boxes; they are left out"
    advice = "check that nothing is to be seen in them" if split.allow_empty else "allow_empty: true uses them"
    return found("info", what, places, advice)


def is_blank(pixels: Pixels) -> bool:
    """Whether a readable image shows nothing."""
    return pixels.thumbnail is not None and float(pixels.thumbnail.std()) < _EVEN


def _where(split: Split, test: Callable[[Image, Pixels], bool]) -> list[str]:
    return [image.name for image, pixels in _readable(split) if test(image, pixels)]


def _readable(split: Split) -> list[tuple[Image, Pixels]]:
    pairs = zip(split.images, split.pixels, strict=True)
    return [(image, pixels) for image, pixels in pairs if pixels and not pixels.problem]


def _is_wrong(image: Image, pixels: Pixels) -> bool:
    return image.size not in (None, pixels.size, pixels.upright_size)


def _change(pixels: Pixels, aspect: float) -> float:
    height, width = pixels.upright_size
    change = width / height / aspect
    return max(change, 1 / change)
