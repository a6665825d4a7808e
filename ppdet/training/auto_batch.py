"""`TrainReader.batch_size: auto`: as many images as the memory of the accelerator holds, found by measuring steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from paddle.utils import unique_name

from ppdet.core.errors import UserError, out_of_memory
from ppdet.data import Batch
from ppdet.data.datasets import Category, Dataset
from ppdet.data.loading.reader import TrainReader
from ppdet.runtime import distributed
from ppdet.runtime.device import free_memory, held_memory, release_memory, synchronize
from ppdet.session import Session
from ppdet.training.checkpoint_folder import peek_batch
from ppdet.training.model import training_amp
from ppdet.training.trial_step import TrialStep, synthetic_batch

logger = logging.getLogger(__name__)

SHARE = 0.85  # of the free memory; the rest is for pieces between the tensors of other sizes, and for evaluations
_LARGEST_TRIAL = 32  # images: enough to see the slope, and quick
_KEY = "TrainReader.batch_size: found auto"
_GB = 2**30


@dataclass(frozen=True)
class Need:
    """Bytes of the device that training takes: `fixed`, and `per_image` for each image of a batch."""

    fixed: float
    per_image: float

    def images(self, size: float) -> int:
        """The number of images whose step takes at most `size` bytes."""
        return int((size - self.fixed) // self.per_image)


def known_batch(session: Session, reader: TrainReader, checkpoint: Path | None) -> int | None:
    """The images per process and step, if nothing has to be measured: the config's, or those of `checkpoint`.

    Raises:
        UserError: they have to be measured, but the device is a CPU.
    """
    if not reader.auto_batch:
        return reader.batch_size
    if checkpoint and (images := peek_batch(checkpoint)):
        return max(1, images // _processes_and_steps(session))
    if session.cfg.get("QAT") is not None:
        raise UserError(
            f"{_KEY}; expected a number with QAT, whose memory is not measured; set TrainReader.batch_size="
            f"{reader.batch_size}"
        )
    if session.device == "cpu":
        raise UserError(
            f"{_KEY}; expected a number on the CPU, where more images make no step faster; "
            f"set TrainReader.batch_size={reader.batch_size}"
        )
    return None


def measured_batch(session: Session, reader: TrainReader, dataset: Dataset) -> int:
    """The images per process and step that fit the memory of every rank's device. A collective. Logs one line.

    Raises:
        UserError: the device does not tell its memory, or it holds no step of a single image.
    """
    most = max(1, len(dataset) // _processes_and_steps(session))
    own, error = most, None
    try:
        with unique_name.guard():  # the names of the training's parameters and slots stay as they are
            own = _choose(session, reader, dataset, most)
    except Exception as failure:
        error = failure if isinstance(failure, UserError) else out_of_memory(failure)
        if error is None:
            raise
    smallest: int = min(distributed.all_gather_or_raise(own, error))
    if smallest < own:
        logger.info("TrainReader.batch_size: %d, the smallest of all ranks", smallest)
    return smallest


def _processes_and_steps(session: Session) -> int:
    """The batches of an update."""
    return distributed.world_size() * session.settings.accumulate_steps


def _choose(session: Session, reader: TrainReader, dataset: Dataset, most: int) -> int:
    """The images for this rank's device, at most `most`."""
    size, num_boxes, amp = reader.largest_size, max(1, reader.most_boxes(dataset)), training_amp(session)

    def need(images: int) -> int:
        make_batch = partial(synthetic_batch, images, size, session.settings.num_classes, num_boxes)
        return _bytes_of_step(session, amp, make_batch, dataset.categories)

    points, free = _two_points(need, most, session.device)
    if len(points) < 2:
        logger.info("TrainReader.batch_size: auto is 1; the data or the memory hold no more")
        return 1
    found = line_through(points)
    chosen = choose(found, free, most)
    steps = ", ".join(f"{taken / _GB:.2f} GB with {images}" for images, taken in points.items())
    limit = ", all that the data hold" if chosen == most else ""
    logger.info(
        "TrainReader.batch_size: auto is %d%s; a step at %d x %d takes %s images (%.2f GB + %.1f MB an image), and of "
        "%.2f GB that are free %.0f %% may be used",
        *(chosen, limit, *size, steps, found.fixed / _GB, found.per_image / 2**20, free / _GB, 100 * SHARE),
    )
    return chosen


def _two_points(need: Callable[[int], int], most: int, device: str) -> tuple[dict[int, int], int]:
    """The bytes of steps by their images, of which there is one if no more than 1 fits, and the free bytes."""
    larger = min(_LARGEST_TRIAL, most)
    while True:
        points, failure = _measured(need, sorted({max(1, larger // 2), larger}))
        release_memory(device)
        if failure is None:
            break
        if larger == 1:
            raise failure
        larger //= 2
    free = free_memory(device)
    if free is None:
        raise UserError(f"{_KEY}; {device} does not tell how much of its memory is free; set a number")
    return points, free


def _measured(need: Callable[[int], int], sizes: Sequence[int]) -> tuple[dict[int, int], UserError | None]:
    """`need` of each size; or the error, if memory ran out. The failed step's tensors are gone when this returns."""
    try:
        return {images: need(images) for images in sizes}, None
    except Exception as error:
        if (failure := out_of_memory(error)) is None:
            raise
        return {}, failure


def line_through(points: dict[int, int]) -> Need:
    """The line through two points: the bytes of steps by their images."""
    (few, low), (many, high) = sorted(points.items())
    if high <= low:
        raise UserError(f"{_KEY}; a step of {many} images takes no more memory here than one of {few}; set a number")
    per_image = (high - low) / (many - few)
    return Need(low - per_image * few, per_image)


def choose(need: Need, free: float, most: int) -> int:
    """The images whose steps take SHARE of the `free` bytes or a little less, at most `most`."""
    fitting = need.images(SHARE * free)
    if fitting < 1:
        taken = (need.fixed + need.per_image) / _GB
        free_gb = f"{SHARE:.0%} of the {free / _GB:.2f} GB that are free"
        raise UserError(f"{_KEY}; a step of one image takes {taken:.2f} GB, more than {free_gb}; free memory there")
    return min(rounded(fitting), most)


def rounded(images: int) -> int:
    """Rounds down to a multiple of 8, of which small batches take 4, 2 or 1: at most an eighth of the images is lost.

    The batch then stays the same from run to run if the free memory differs a little, and kernels that work on blocks
    of images have no partial ones.
    """
    multiple = next(each for each in (8, 4, 2, 1) if images >= 8 * each or each == 1)
    return images - images % multiple


def _bytes_of_step(
    session: Session, amp: str | None, make_batch: Callable[[], Batch], categories: Sequence[Category] = ()
) -> int:
    """The bytes that this rank's steps take at their peak, with the weights and the batch that is sent ahead.

    Measures the first and the last epoch, whose assigners may differ.
    """
    device = session.device
    release_memory(device)
    before = held_memory(device)
    batch, _ahead = make_batch(), make_batch()
    step = TrialStep(session, amp, batch, categories, alone=True)
    for epoch in (0, 0, session.settings.epoch - 1):
        step(epoch)
    synchronize(device)
    after = held_memory(device)
    if before is None or after is None:
        raise UserError(f"{_KEY}; {device} does not count the memory that it gives; set a number")
    return after - before
