"""BatchBuilder: reads, transforms and collates the samples of one batch."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ppdet.core.errors import UserError, out_of_memory
from ppdet.data.loading.collate import apply_batch_transforms, collate
from ppdet.data.loading.sampler import SampleIndex
from ppdet.data.loading.schedule import Schedule
from ppdet.data.structures import Record, Sample
from ppdet.data.transforms.batch_transforms import BatchTransform
from ppdet.data.transforms.mixing import MixingTransform
from ppdet.data.transforms.sample_transforms import Transform, apply_pending
from ppdet.utils.streams import Stream, generator

Failures = list[list[int | str]]  # [position, message] of each image that was skipped


class _NoneReadable(UserError):
    """Too many images in a row are unreadable."""


def tolerated_failures(length: int) -> int:
    """The number of unreadable images that training tolerates: 1 % of the dataset, at least one."""
    return max(1, length // 100)


@dataclass(frozen=True)
class BatchBuilder:
    """Builds the arrays of one batch from its SampleIndexes. Runs in the workers and keeps no state between calls.

    Attributes:
        records: the dataset's images.
        sample_transforms: applied to each sample; the first one decodes the image. A MixingTransform also gets images
            that the sample's generator draws from all records.
        batch_transforms: applied to the samples of a batch.
        skip_unreadable: the next image of the dataset takes the place of one that cannot be read; otherwise such an
            image is an error.
        seed: the run's.
        rank: this process's.
        schedule: which of the transforms an epoch has.
        exact: pending resizes and color changes are applied after each transform, in float32.
        device_normalize: see collate.collate.
    """

    records: Sequence[Record]
    sample_transforms: Sequence[Transform]
    batch_transforms: Sequence[Transform | BatchTransform]
    skip_unreadable: bool
    seed: int
    rank: int
    schedule: Schedule = Schedule()
    exact: bool = False
    device_normalize: bool = False

    def __call__(
        self, indices: Sequence[SampleIndex], buffer: np.ndarray | None = None, progress: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Builds the batch of `indices`.

        Args:
            indices: the images of one batch.
            buffer: [bytes] uint8 memory for the batch, see collate.collate.
            progress: [1] int64; the position of the record that is being read is written here.

        Returns:
            `memory` and `layout` of the PackedArrays, and two lists: `failures`, [position, message] of each image that
            was skipped, and `other_sizes`, a message for each image that does not have its annotated size. If building
            fails, {"error": exception} for the main process to raise.
        """
        try:
            return self._build(indices, buffer, np.zeros(1, np.int64) if progress is None else progress)
        except UserError as error:
            return {"error": error}
        except Exception as error:
            trace = RuntimeError(f"the reader failed:\n{traceback.format_exc()}")
            return {"error": out_of_memory(error) or trace}

    def _build(self, indices: Sequence[SampleIndex], buffer: np.ndarray | None, progress: np.ndarray) -> dict[str, Any]:
        failures: Failures = []
        samples = [self._load(index, failures, progress) for index in indices]
        rng = generator(Stream.BATCH, self.seed, indices[0].epoch, indices[0].step)
        batch_transforms = self.schedule.active(self.batch_transforms, indices[0].epoch)
        other_sizes = [message for sample in samples if (message := _size_difference(sample))]
        samples = apply_batch_transforms(samples, batch_transforms, rng, self.exact)
        arrays = collate(samples, buffer, self.device_normalize)
        return {
            "memory": arrays.memory,
            "layout": arrays.layout,
            "failures": failures,
            "other_sizes": other_sizes,
        }

    def _load(self, wanted: SampleIndex, failures: Failures, progress: np.ndarray) -> Sample:
        transforms = self.schedule.active(self.sample_transforms, wanted.epoch)
        images_before = wanted.epoch * len(self.records)

        def read(index: int) -> Sample:
            rng = generator(Stream.SAMPLE, self.seed, wanted.epoch, self.rank, index)
            return self._transform(transforms, images_before, rng, failures, progress, index)

        return self._first_readable(wanted.index, read, failures, progress)

    def _first_readable(
        self, wanted: int, read: Callable[[int], Sample], failures: Failures, progress: np.ndarray
    ) -> Sample:
        """The sample that `read` makes of the record at index `wanted`, or of the next one that is readable."""
        for attempt in range(tolerated_failures(len(self.records)) + 1):
            index = progress[0] = (wanted + attempt) % len(self.records)
            try:
                return read(index)
            except _NoneReadable:  # of the partners
                raise
            except UserError as error:
                if not self.skip_unreadable:
                    raise
                failures.append([index, str(error)])
        raise _NoneReadable(f"{failures[-1][1]} ({attempt + 1} images in a row are unreadable)")

    def _transform(
        self,
        transforms: Sequence[Transform],
        images_before: int,
        rng: np.random.Generator,
        failures: Failures,
        progress: np.ndarray,
        index: int,
    ) -> Sample:
        sample = replace(Sample.from_record(self.records[index]), images_before=images_before)
        for number, transform in enumerate(transforms):
            if isinstance(transform, MixingTransform):
                if (count := transform.partners(rng)) is None:
                    continue
                before = [each for each in transforms[:number] if not isinstance(each, MixingTransform)]
                partner = partial(self._transform, before, images_before, rng, failures, progress)
                chosen = rng.integers(len(self.records), size=count).tolist()
                others = [self._first_readable(each, partner, failures, progress) for each in chosen]
                sample = transform.mix([sample, *others], rng)
            else:
                sample = transform(sample, rng)
            if self.exact:
                sample = apply_pending(sample)
        return sample


def _size_difference(sample: Sample) -> str:
    """A message if the image does not have its annotated size, else an empty string."""
    if sample.annotated_size in (None, sample.decoded_size):
        return ""
    height, width = sample.annotated_size or (0, 0)
    found_height, found_width = sample.decoded_size
    return f"{sample.im_file}: {found_width} x {found_height} pixels, but {width} x {height} in the annotations"
