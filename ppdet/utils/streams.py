"""Seeds of everything random, so that no two uses ever draw the same numbers."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """The uses, and what numbers each of their generators is made from. A use keeps its number for ever."""

    ORDER = 1  # of the images of an epoch: seed, epoch
    SAMPLE = 2  # the transforms of an image: seed, epoch, rank, image
    BATCH = 3  # the transforms of a batch: seed, epoch, step; without the rank, so that all draw the same size
    EMPTY_IMAGES = 4  # which images without boxes a dataset keeps
    CALIBRATION = 5  # which images show the ranges of values: seed
    EXPORT_CHECK = 6  # noise in place of images
    DOCTOR = 7  # matrices to multiply


def generator(use: Stream, *numbers: int) -> np.random.Generator:
    """The generator of a use. Numbers up to 2**64; each takes two words, so that large ones run into no other."""
    return np.random.default_rng(np.array([use, *numbers], np.uint64).view(np.uint32))
