"""The readers that configs name: transforms and batch settings, bound to a dataset at run time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypedDict, cast

from ppdet.core.errors import UserError
from ppdet.core.ranges import Pixels, Range
from ppdet.core.registry import Component, Shared, register
from ppdet.data.datasets import Dataset
from ppdet.data.datasets.file_names import describe_missing, missing_files
from ppdet.data.loading.image_cache import CachedDecode, disk_cache, ram_cache
from ppdet.data.loading.loader import BatchMaker, Loader, tolerated_failures
from ppdet.data.loading.sampler import EpochSampler
from ppdet.data.ops import color as colour
from ppdet.data.ops import functional as F
from ppdet.data.transforms.batch_transforms import BatchRandomResize, BatchTransform
from ppdet.data.transforms.reduced_decode import CroppedDecode
from ppdet.data.transforms.sample_transforms import (
    Decode,
    RandomCrop,
    RandomFlip,
    Resize,
    Step,
    Transform,
)

logger = logging.getLogger(__name__)

_FLOAT_BYTES = 4
_ASSUMED_SIZE = (640, 640)  # of images that no transform brings to a known size


_Side = Literal[-1] | Pixels  # -1: any
_Shape = tuple[Literal[3], _Side, _Side]


class InputsDef(TypedDict, total=False):
    """What the exported model takes: images [batch, 3, height, width], in older configs without the batch."""

    image_shape: tuple[Annotated[int, Range(-1, 2**16)] | None, Literal[3], _Side, _Side] | _Shape


class Reader:
    """Transforms, batch size and worker settings; every image once, in the dataset's order unless `shuffle`.

    shuffle, drop_last  None: as `training` says, which is what TrainReader and the others differ in
    inputs_def          of TestReader: image_shape is the exported model's input [batch, 3, height, width]
    exact               the published order of operations in float32, for comparisons; slower, the same random numbers
    reduced_decode      in training, JPEGs larger than the batch can use are decoded at 1/2, 1/4 or 1/8 of their size
    cache               "ram" or "disk": decoded images are kept, in training shrunk until their short side is that of
                        the largest batch (not where `exact`)
    cache_dir           the folder for "disk"; None: `cache` in dataset_dir
    """

    training: ClassVar[bool] = False
    ignored_options: ClassVar[dict[str, str]] = {
        "collate_batch": "batches are always padded and stacked",
        "num_classes": "set num_classes at the top level",
        "use_process": "worker_num: 0 reads in the main process", "bufsize": "set worker_num",
        **dict.fromkeys(("mixup_epoch", "cutmix_epoch", "mosaic_epoch"), "there is no such transform"),
        "fuse_normalize": "set export.fuse_normalize",
    }  # fmt: skip

    def __init__(
        self,
        sample_transforms: Sequence[Component[Transform]] = (),
        batch_transforms: Sequence[Component[Step]] = (),
        batch_size: Annotated[int, Range(1, 2**16)] = 1,
        shuffle: bool | None = None,
        drop_last: bool | None = None,
        worker_num: Shared[Annotated[int, Range(0, 256)]] = 2,
        use_shared_memory: bool = True,
        inputs_def: InputsDef | None = None,
        exact: bool = False,
        reduced_decode: bool = True,
        cache: Literal["ram", "disk"] | None = None,
        cache_dir: str | None = None,
    ) -> None:
        self.sample_transforms: list[Transform] = list(sample_transforms)
        self.batch_transforms = cast("list[Transform | BatchTransform]", list(batch_transforms))
        self.batch_size = batch_size
        self.shuffle = self.training if shuffle is None else shuffle
        self.drop_last = self.training if drop_last is None else drop_last
        self.worker_num, self.use_shared_memory = worker_num, use_shared_memory
        self.inputs_def = dict(inputs_def or {})
        self.exact, self.cache, self.cache_dir = exact, cache, cache_dir
        self.may_reduce = reduced_decode and self.training and not exact
        name = type(self).__name__
        if cache_dir is not None and cache != "disk":
            raise UserError(f"{name}.cache_dir: only means something with {name}.cache: disk")
        if not sample_transforms or not isinstance(sample_transforms[0], Decode):
            raise UserError(f"{name}.sample_transforms: must begin with Decode, which reads the image")
        if not self.training:
            self._check_every_image_counts()
        if any(isinstance(transform, Decode) for transform in (*sample_transforms[1:], *batch_transforms)):
            raise UserError(f"{name}: has Decode twice, which would undo what comes before the second; remove that one")

    def _check_every_image_counts(self) -> None:
        name = type(self).__name__
        if self.drop_last:
            raise UserError(f"{name}.drop_last: found true, which would leave images out; set it to false")
        for index, transform in enumerate(self.sample_transforms):
            if isinstance(transform, (RandomCrop, RandomFlip)):
                kind = type(transform).__name__
                raise UserError(f"{name}.sample_transforms.{index}: found {kind}, after which boxes are not where they "
                                "are in the image; it is for TrainReader")  # fmt: skip

    def bind(self, dataset: Dataset, seed: int = 0, rank: int = 0, world_size: int = 1) -> Loader:
        """The batches of a loaded dataset on one rank of `world_size`.

        In training every rank has the same number of steps and unreadable images are left out; otherwise each image is
        on exactly one rank and an unreadable one is an error. Raises UserError where there is not one whole batch, and
        for missing image files, which are looked for here.
        """
        self._check_length(len(dataset), world_size)
        missing = self._missing_images(dataset)
        sampler = EpochSampler(
            len(dataset), self.batch_size, shuffle=self.shuffle, drop_last=self.drop_last, even=self.training,
            seed=seed, rank=rank, world_size=world_size,
        )  # fmt: skip
        if self.training:
            colour.kernels()  # compiled here, once, and not in every worker
        maker = BatchMaker(
            dataset.records, self._bound_transforms(dataset, world_size), self.batch_transforms, self.training,
            seed, rank, self.exact,
        )  # fmt: skip
        return Loader(maker, sampler, self.worker_num, self.use_shared_memory, self._batch_bytes(), missing)

    def _check_length(self, length: int, world_size: int) -> None:
        name = type(self).__name__
        if length == 0:
            raise UserError(f"{name}: the dataset has no images; check its files, and call load() before bind()")
        if self.drop_last and length < self.batch_size * world_size:
            ranks = f" on each of {world_size} devices" if world_size > 1 else ""
            raise UserError(
                f"{name}.batch_size: the dataset has {length} images but a batch needs {self.batch_size}{ranks}; "
                f"set {name}.batch_size to {max(length // world_size, 1)} or less, or {name}.drop_last to false"
            )

    def _missing_images(self, dataset: Dataset) -> list[int]:
        """The positions of the images that have no file: in training a few are put up with, and named."""
        missing = missing_files([record.im_file for record in dataset.records])
        if not missing:
            return []
        files, total = [dataset.records[index].im_file for index in missing], len(dataset)
        fault, count = describe_missing(files[0]), f"{len(files)} of {total}"
        if not self.training:
            raise UserError(f"{fault} ({count} images are missing)" if files[1:] else fault)
        if len(files) > tolerated_failures(total):
            raise UserError(f"{fault} ({count} images are unreadable, more than 1 %)")
        others = f"images left out, also {', '.join(files[1:4])}" if files[1:] else "image left out"
        logger.warning("%s (%s; %s are unreadable so far)", fault, others, count)
        return missing

    def _bound_transforms(self, dataset: Dataset, world_size: int) -> list[Transform]:
        """The sample transforms, with Decode replaced where there is a faster way to the pixels."""
        first, *rest = self.sample_transforms
        if self.cache:
            shrinks = self.training and not self.exact
            shortest = max(max(size) for size in sizes) if shrinks and (sizes := self._sizes()) else None
            if self.cache == "ram":
                cache = ram_cache(dataset.records, shortest, self.worker_num, world_size)
            else:
                folder = Path(self.cache_dir) if self.cache_dir else dataset.root / "cache"
                cache = disk_cache(dataset.records, shortest, self.worker_num, folder)
            return [CachedDecode(cache), *rest]
        if self.may_reduce and rest and isinstance(rest[0], RandomCrop) and (sizes := self._sizes()):
            heights, widths = zip(*sizes, strict=True)
            return [CroppedDecode(rest[0], (max(heights), max(widths))), *rest[1:]]
        return [first, *rest]

    def _sizes(self) -> list[F.Size]:
        """What images are resized to; empty where no transform brings them to a known size."""
        transforms = [*self.sample_transforms, *self.batch_transforms]
        resizes = [transform for transform in transforms if isinstance(transform, (Resize, BatchRandomResize))]
        return [size for resize in resizes for size in resize.sizes]

    def _batch_bytes(self) -> int:
        """How large the images of a batch can be, for the memory shared with the workers."""
        sizes = self._sizes() or [_ASSUMED_SIZE]
        return self.batch_size * 3 * _FLOAT_BYTES * max(height * width for height, width in sizes)


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

    __test__ = False  # not a test case, whatever pytest makes of the name
