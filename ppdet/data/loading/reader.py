"""The readers that configs name: transforms and batch settings, which `bind` combines with a dataset."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypedDict, cast

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import Count, MinusOneOrMore, Pixels, Positive, Range
from ppdet.core.registry import Component, Shared, register
from ppdet.data import ops
from ppdet.data.datasets import Dataset
from ppdet.data.loading.batch_builder import BatchBuilder
from ppdet.data.loading.image_cache import CachedDecode, ImageCache, disk_cache, ram_cache
from ppdet.data.loading.loader import Loader
from ppdet.data.loading.missing_images import missing_images
from ppdet.data.loading.order import check_order, places
from ppdet.data.loading.packing import batch_bytes
from ppdet.data.loading.sampler import EpochSampler
from ppdet.data.loading.schedule import Schedule
from ppdet.data.ops import color
from ppdet.data.ops import functional as F
from ppdet.data.transforms.batch_transforms import BatchRandomResize, BatchTransform
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.random_select import RandomSelect
from ppdet.data.transforms.reduced_decode import ReducedDecodeCrop
from ppdet.data.transforms.sample_transforms import (
    AnyTransform,
    Augmentation,
    Decode,
    NormalizeImage,
    Resize,
    Transform,
)

logger = logging.getLogger(__name__)

_ASSUMED_SIZE = (640, 640)  # of images that no transform resizes
_BATCH_UNTIL_MEASURED = 16  # images, for `auto`


_Side = Literal[-1] | Pixels  # -1: any
_Shape = tuple[Literal[3], _Side, _Side]


class InputsDef(TypedDict, total=False):
    """The input of the exported model: images [batch, 3, height, width], in older configs without the batch."""

    image_shape: tuple[Annotated[int, Range(-1, 2**16)] | None, Literal[3], _Side, _Side] | _Shape


class Reader:
    """Transforms, batch size and worker settings; every image once, in the dataset's order unless `shuffle`.

    Args:
        sample_transforms: applied to each image; the first one is Decode.
        batch_transforms: applied to the images of a batch.
        batch_size: images per batch and process. In training on accelerators `auto` takes as many as their memory
            holds, found by measuring; until a training has measured, it stands for 16.
        shuffle: another order of the images in each epoch; by default in training only.
        drop_last: leaves out the images that do not fill a batch; by default in training only.
        worker_num: reader processes; 0 reads on a thread of the main process.
        use_shared_memory: reader processes write images into memory that is shared with the main process.
        inputs_def: of TestReader; image_shape is the exported model's input [batch, 3, height, width].
        exact: the published order of operations in float32, for comparisons; slower, with the same random numbers.
        reduced_decode: in training, JPEGs larger than the batch can use are decoded at 1/2, 1/4 or 1/8 of their size.
        cache: where decoded images are kept; by default they are not. In training they are shrunk until their short
            side is that of the largest batch, unless `exact`.
        cache_dir: the folder for `cache: disk`; by default `cache` in dataset_dir.
        device_normalize: images go to the device as uint8, which is a quarter of the bytes, and colors are changed and
            normalized there. Batches with padding, or resized by an interpolation that overshoots (cubic, Lanczos),
            still go as float32, so that their values stay the same.
        mixup_epoch: how many of the first epochs have Mixup; 0: all; -1: none. Of Mixup, Cutmix and Mosaic an epoch has
            the first that is on.
        cutmix_epoch: the same for Cutmix.
        mosaic_epoch: the same for Mosaic.
        close_augmentation_epochs: how many of the last epochs have no Mosaic, BatchMosaic, Mixup, Cutmix, CopyPaste or
            RandomAffine.
        epoch: epochs of the training.
    """

    training: ClassVar[bool] = False
    ignored_options: ClassVar[dict[str, str]] = {
        "collate_batch": "batches are always padded and stacked",
        "num_classes": "set num_classes at the top level",
        "use_process": "worker_num: 0 reads in the main process",
        "bufsize": "set worker_num",
        "fuse_normalize": "set export.fuse_normalize",
    }

    def __init__(
        self,
        sample_transforms: Sequence[Component[Transform]] = (),
        batch_transforms: Sequence[Component[AnyTransform]] = (),
        batch_size: Annotated[int, Range(1, 2**16)] | Literal["auto"] = 1,
        shuffle: bool | None = None,
        drop_last: bool | None = None,
        worker_num: Shared[Annotated[int, Range(0, 256)]] = 2,
        use_shared_memory: bool = True,
        inputs_def: InputsDef | None = None,
        exact: bool = False,
        reduced_decode: bool = True,
        cache: Literal["ram", "disk"] | None = None,
        cache_dir: str | None = None,
        device_normalize: bool = False,
        mixup_epoch: MinusOneOrMore | None = None,
        cutmix_epoch: MinusOneOrMore | None = None,
        mosaic_epoch: MinusOneOrMore | None = None,
        close_augmentation_epochs: Count = 0,
        epoch: Shared[Positive] | None = None,
    ) -> None:
        self.sample_transforms: list[Transform] = list(sample_transforms)
        self.batch_transforms = cast("list[Transform | BatchTransform]", list(batch_transforms))
        self.auto_batch = batch_size == "auto"
        self.batch_size = _BATCH_UNTIL_MEASURED if batch_size == "auto" else batch_size
        self.shuffle = self.training if shuffle is None else shuffle
        self.drop_last = self.training if drop_last is None else drop_last
        self.worker_num, self.use_shared_memory = worker_num, use_shared_memory
        self.inputs_def = dict(inputs_def or {})
        self.exact, self.cache, self.cache_dir = exact, cache, cache_dir
        self.device_normalize = device_normalize
        self.may_reduce = reduced_decode and self.training and not exact
        name = type(self).__name__
        if cache_dir is not None and cache != "disk":
            raise UserError(f"{name}.cache_dir: only means something with {name}.cache: disk")
        if exact and device_normalize:
            raise UserError(f"{name}.device_normalize: found true with {name}.exact: true, which needs float32 images")
        if not sample_transforms or not isinstance(sample_transforms[0], Decode):
            raise UserError(f"{name}.sample_transforms: must begin with Decode, which reads the image")
        if not self.training:
            self._check_no_training_options()
        check_order(name, places(self.sample_transforms, self.batch_transforms))
        first_epochs = {"Mixup": mixup_epoch, "Cutmix": cutmix_epoch, "Mosaic": mosaic_epoch}
        self.schedule = self._make_schedule(first_epochs, close_augmentation_epochs, epoch)
        if any(isinstance(transform, Decode) for transform in (*sample_transforms[1:], *batch_transforms)):
            raise UserError(f"{name}: has Decode twice, which would undo what comes before the second; remove that one")

    def _check_no_training_options(self) -> None:
        name = type(self).__name__
        if self.auto_batch:
            raise UserError(f"{name}.batch_size: found 'auto', which measures training steps; set a number")
        if self.drop_last:
            raise UserError(f"{name}.drop_last: found true, which would leave images out; set it to false")
        for place, transform in places(self.sample_transforms, self.batch_transforms):
            if transform.only_training:
                kind = type(transform).__name__
                raise UserError(f"{name}.{place}: found {kind}, {transform.only_training}; it is for TrainReader")

    def _make_schedule(self, first_epochs: Mapping[str, int | None], closing: int, epochs: int | None) -> Schedule:
        name, present = type(self).__name__, {type(transform).__name__ for transform in self.sample_transforms}
        for kind, value in first_epochs.items():
            key = f"{name}.{kind.lower()}_epoch"
            if kind in present and value is None:
                raise UserError(
                    f"{key}: not given, so that there would be no {kind}; expected how many of the first epochs have "
                    "it, or 0 for all of them"
                )
            if kind not in present and value not in (None, -1):
                raise UserError(f"{key}: found {value}, but {name}.sample_transforms has no {kind}; add or remove one")
        if closing and epochs is None:
            raise UserError(f"{name}.close_augmentation_epochs: found {closing} without `epoch`, the epochs in all")
        chosen = {kind: value for kind, value in first_epochs.items() if value is not None}
        return Schedule(chosen, max(epochs - closing, 0) if closing and epochs else None)

    @property
    def normalization(self) -> np.ndarray:
        """The color map [3, 4] from gray levels to the values in a batch, without the random changes."""
        transforms = (*self.sample_transforms, *self.batch_transforms)
        maps = [transform.color_map for transform in transforms if isinstance(transform, NormalizeImage)]
        return reduce(color.compose, maps, color.or_identity(None))

    def bind(self, dataset: Dataset, seed: int = 0, rank: int = 0, world_size: int = 1) -> Loader:
        """Returns the Loader of a loaded dataset on one rank of `world_size`.

        In training every rank has the same number of steps and unreadable images are left out; otherwise each image is
        on exactly one rank and an unreadable one is an error.

        Raises:
            UserError: the dataset does not fill one batch, or image files are missing.
        """
        batch_size = self._checked_batch_size(len(dataset), world_size)
        missing = missing_images(dataset, tolerate=self.training)
        sampler = EpochSampler(
            len(dataset),
            batch_size,
            shuffle=self.shuffle,
            drop_last=self.drop_last,
            even=self.training,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
        if self.training:
            ops.load_numba_kernels()  # compiled once here, instead of in every worker
        transforms = self._with_fastest_decode(dataset, world_size)
        batch_builder = BatchBuilder(
            dataset.records,
            transforms,
            self.batch_transforms,
            self.training,
            seed,
            rank,
            self.schedule,
            self.exact,
            self.device_normalize,
        )
        size = batch_bytes(batch_size, self.largest_size, self.most_boxes(dataset))
        return Loader(batch_builder, sampler, self.worker_num, self.use_shared_memory, size, missing)

    def _checked_batch_size(self, length: int, world_size: int) -> int:
        """The number of images in a batch from a dataset of `length` images. Raises UserError if they fill none."""
        name = type(self).__name__
        if length == 0:
            raise UserError(f"{name}: the dataset has no images; check its files, and call load() before bind()")
        if self.auto_batch:
            return min(self.batch_size, max(1, length // world_size))
        if self.drop_last and length < self.batch_size * world_size:
            ranks = f" on each of {world_size} devices" if world_size > 1 else ""
            raise UserError(
                f"{name}.batch_size: the dataset has {length} images but a batch needs {self.batch_size}{ranks}; "
                f"set {name}.batch_size to {max(length // world_size, 1)} or less, or {name}.drop_last to false"
            )
        return self.batch_size

    def _with_fastest_decode(self, dataset: Dataset, world_size: int) -> list[Transform]:
        """The sample transforms, with a faster transform in the place of the first ones if there is one.

        `cache`: CachedDecode takes the place of Decode. `reduced_decode`: ReducedDecodeCrop takes the place of Decode
        and RandomCrop, which have to be the first two, and images have to be resized to known sizes.
        """
        decode, *rest = self.sample_transforms
        name, sizes = type(self).__name__, self._sizes()
        if self.cache:
            logger.info("%s: decode: cached %s", name, "in RAM" if self.cache == "ram" else "on disk")
            return [CachedDecode(self._filled_cache(dataset, sizes, world_size)), *rest]
        if self.may_reduce and sizes and rest and isinstance(rest[0], RandomCrop):
            logger.debug("%s: decode: large JPEGs at a reduced scale, in one transform with RandomCrop", name)
            heights, widths = zip(*sizes, strict=True)
            return [ReducedDecodeCrop(rest[0], (max(heights), max(widths))), *rest[1:]]
        logger.debug("%s: decode: whole images", name)
        return [decode, *rest]

    def _filled_cache(self, dataset: Dataset, sizes: Sequence[F.Size], world_size: int) -> ImageCache:
        shrinks = self.training and not self.exact and sizes
        shortest = max(max(size) for size in sizes) if shrinks else None
        if self.cache == "ram":
            return ram_cache(dataset.records, shortest, self.worker_num, world_size)
        folder = Path(self.cache_dir) if self.cache_dir else dataset.root / "cache"
        return disk_cache(dataset.records, shortest, self.worker_num, folder)

    def _sizes(self) -> list[F.Size]:
        """The sizes that images may be resized to; empty if no transform resizes."""
        transforms = [*self.sample_transforms, *self.batch_transforms]
        resizes = [
            transform for transform in transforms if isinstance(transform, (Resize, BatchRandomResize, RandomSelect))
        ]
        return [size for resize in resizes for size in resize.sizes]

    @property
    def largest_size(self) -> F.Size:
        """The size (height, width) of the largest images in a batch; 640 x 640 if no transform resizes."""
        return max(self._sizes(), key=math.prod, default=_ASSUMED_SIZE)

    def most_boxes(self, dataset: Dataset) -> int:
        """The largest number of boxes that an image of `dataset` can have in a batch."""
        most = max(len(record.gt_bbox) for record in dataset.records)
        for transform in (*self.sample_transforms, *self.batch_transforms):
            if isinstance(transform, Augmentation):
                most = transform.most_boxes(most)
        return most


@register
class TrainReader(Reader):
    """Shuffled batches for training; unreadable images are left out with a warning."""

    training = True


@register
class EvalReader(Reader):
    """Batches for evaluation; an unreadable image is an error."""


@register
class TestReader(Reader):
    """Batches for inference."""

    __test__ = False  # for pytest: this is no test case
