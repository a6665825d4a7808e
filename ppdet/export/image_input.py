"""The image input of an exported model: its size, its type, and whether the model normalizes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.data.transforms.sample_transforms import NormalizeImage, Resize
from ppdet.export.fold_normalize import normalize_step, normalized, to_pixels
from ppdet.session import Session


class ImageInput(NamedTuple):
    """The input `image` of an exported model.

    Attributes:
        size: (height, width) in pixels, (-1, -1) for any.
        normalize: the normalization inside the model, which then takes pixels; None: it takes normalized images.
        dtype: "float32", or "uint8" for pixels.
    """

    size: tuple[int, int]
    normalize: NormalizeImage | None = None
    dtype: str = "float32"

    @classmethod
    def of(cls, session: Session) -> ImageInput:
        """The input that an export with the run's settings has, as TestReader prepares images.

        Raises:
            UserError: TestReader does not describe an input, or the settings do not fit it.
        """
        reader, settings = session.builder.build("TestReader"), session.settings.export
        shape = _image_shape(reader.inputs_def)
        resizes = [step for step in reader.sample_transforms if isinstance(step, Resize)]
        _check_resizes(resizes, shape)
        normalize = normalize_step(reader.sample_transforms)
        _check_settings(settings, normalize, resizes[0])
        size = (-1, -1) if settings.dynamic_size else (shape[2], shape[3])
        return cls(size, normalize if settings.fuse_normalize else None, settings.input_dtype)

    def from_reader(self, image: np.ndarray) -> np.ndarray:
        """The model's input for `image` [B, 3, H, W] float32, normalized by the reader."""
        return image if self.normalize is None else to_pixels(image, self.normalize).astype(self.dtype)

    def to_network(self, fed: np.ndarray) -> np.ndarray:
        """The normalized image [B, 3, H, W] float32 that the model makes of its input `fed`."""
        return fed if self.normalize is None else normalized(fed, self.normalize)


def _image_shape(inputs_def: dict[str, list[int]]) -> list[int]:
    """[B, 3, height, width] from TestReader.inputs_def; -1: any."""
    shape = inputs_def.get("image_shape") or []
    if len(shape) not in (3, 4):
        raise UserError("TestReader.inputs_def.image_shape: required for export, as [1, 3, height, width]")
    return [1, *shape][-4:]  # older configs leave out the batch size


def _check_resizes(resizes: list[Resize], shape: list[int]) -> None:
    """Raise UserError unless TestReader resizes images to the size in `shape`, or keeps their ratio."""
    if not resizes:
        raise UserError("TestReader.sample_transforms: no Resize, which tells a runner what to do with an image")
    for resize in resizes:
        if not resize.keep_ratio and resize.sizes != [tuple(shape[2:])]:
            sizes = f"{shape}, but TestReader's Resize gives {list(resize.sizes[0])}"
            raise UserError(f"TestReader.inputs_def.image_shape: found {sizes}; set both to the same height and width")


def _check_settings(settings: ExportSettings, normalize: NormalizeImage | None, resize: Resize) -> None:
    """Raise UserError if the settings do not fit each other or TestReader's transforms."""
    if settings.fuse_normalize and normalize is None:
        raise UserError("export.fuse_normalize: found true, but TestReader has no NormalizeImage to fold in")
    if settings.fuse_normalize and resize.keep_ratio:
        raise UserError(
            "export.fuse_normalize: found true, but TestReader's Resize keeps the ratio, and its padding is 0 after "
            "normalization; set export.fuse_normalize=false"
        )
    if settings.input_dtype == "uint8" and not settings.fuse_normalize:
        raise UserError("export.input_dtype: found uint8, which is for pixels; set export.fuse_normalize=true as well")
    if settings.batch_size == 0:
        raise UserError("export.batch_size: found 0; expected -1 (any) or a number of images")
    if settings.dynamic_size and settings.box_unit == "normalized":
        raise UserError("export.boxes: found normalized, which needs a fixed size; set export.dynamic_size=false")
