"""Seeds of all random generators, so that no two uses draw the same numbers."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """The uses of random numbers, and what their generators are seeded with. The number of a use never changes."""

    ORDER = 1  # of the images of an epoch: seed, epoch
    SAMPLE = 2  # the transforms of an image: seed, epoch, rank, image
    BATCH = 3  # the transforms of a batch: seed, epoch, step; without the rank, so that all draw the same size
    EMPTY_IMAGES = 4  # which images without boxes a dataset keeps
    CALIBRATION = 5  # which images show the ranges of values: seed
    EXPORT_CHECK = 6  # noise in place of images
    DOCTOR = 7  # matrices to multiply
    BENCH = 8  # images and boxes of a train step that is measured
    SPLIT = 9  # which images of a data set go into which list: seed
    SHEETS = 10  # which images and boxes `ppdet data show` draws: seed
    BOOTSTRAP = 11  # which images each resample of an evaluation has: seed
    FOLLOWED = 12  # which images the page of a training shows: seed


def generator(use: Stream, *numbers: int) -> np.random.Generator:
    """Returns the generator of a use. Numbers may be up to 2**64: each fills two words, so no two seeds coincide."""
    return np.random.default_rng(np.array([use, *numbers], np.uint64).view(np.uint32))
