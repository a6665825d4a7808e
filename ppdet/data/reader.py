"""The readers that configs name: transforms and batch settings, bound to a dataset at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ppdet.core.errors import UserError
from ppdet.core.registry import Component, Shared, register

from .batch import BatchRandomResize, BatchTransform
from .datasets import Dataset
from .loader import BatchMaker, Loader
from .sampling import EpochSampler
from .transforms import Decode, Resize, Transform

_FLOAT_BYTES = 4
_ASSUMED_SIZE = (640, 640)  # of images that no transform brings to a known size


class Reader:
    """Transforms, batch size and worker settings; every image once, in the dataset's order unless `shuffle`.

    shuffle, drop_last  None: as `training` says, which is what TrainReader and the others differ in
    inputs_def          of TestReader: image_shape is the exported model's input [batch, 3, height, width]
    """

    training: ClassVar[bool] = False
    ignored_options: ClassVar[tuple[str, ...]] = (
        "collate_batch", "num_classes", "use_process", "bufsize", "mixup_epoch", "cutmix_epoch", "mosaic_epoch",
        "fuse_normalize",  # infer_cfg.yml tells a runner to normalise
    )  # fmt: skip

    def __init__(
        self,
        sample_transforms: Sequence[Component[Any]] = (),
        batch_transforms: Sequence[Component[Any]] = (),
        batch_size: int = 1,
        shuffle: bool | None = None,
        drop_last: bool | None = None,
        worker_num: Shared[int] = 2,
        use_shared_memory: bool = True,
        inputs_def: Mapping[str, Any] | None = None,
    ) -> None:
        self.sample_transforms: list[Transform] = list(sample_transforms)
        self.batch_transforms: list[Transform | BatchTransform] = list(batch_transforms)
        self.batch_size = batch_size
        self.shuffle = self.training if shuffle is None else shuffle
        self.drop_last = self.training if drop_last is None else drop_last
        self.worker_num, self.use_shared_memory = worker_num, use_shared_memory
        self.inputs_def = dict(inputs_def or {})
        name = type(self).__name__
        if batch_size < 1:
            raise UserError(f"{name}.batch_size: found {batch_size}; expected 1 or more")
        if worker_num < 0:
            raise UserError(f"worker_num: found {worker_num}; expected 0 or more")
        if not sample_transforms or not isinstance(sample_transforms[0], Decode):
            raise UserError(f"{name}.sample_transforms: must begin with Decode, which reads the image")

    def bind(self, dataset: Dataset, seed: int = 0, rank: int = 0, world_size: int = 1) -> Loader:
        """The batches of a loaded dataset on one rank of `world_size`.

        In training every rank has the same number of steps and unreadable images are left out; otherwise each image is
        on exactly one rank and an unreadable one is an error. Raises UserError where there is not one whole batch.
        """
        self._check_length(len(dataset), world_size)
        sampler = EpochSampler(
            len(dataset), self.batch_size, shuffle=self.shuffle, drop_last=self.drop_last, even=self.training,
            seed=seed, rank=rank, world_size=world_size,
        )  # fmt: skip
        maker = BatchMaker(dataset.records, self.sample_transforms, self.batch_transforms, self.training, seed, rank)
        return Loader(maker, sampler, self.worker_num, self.use_shared_memory, self._batch_bytes())

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

    def _batch_bytes(self) -> int:
        """How large a batch can be, for the check of /dev/shm."""
        transforms = [*self.sample_transforms, *self.batch_transforms]
        resizes = [transform for transform in transforms if isinstance(transform, (Resize, BatchRandomResize))]
        sizes = [size for resize in resizes for size in resize.sizes] or [_ASSUMED_SIZE]
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
