"""Pictures of the first training batches: the images as the network sees them, with their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ppdet.data.datasets import Dataset
from ppdet.data.loading.packing import PackedArrays
from ppdet.data.loading.reader import Reader
from ppdet.data.ops import color
from ppdet.data.structures import Record
from ppdet.deploy.draw import draw
from ppdet.deploy.files import write_bytes
from ppdet.deploy.outputs import encode_image
from ppdet.utils.contact_sheet import contact_sheet, fitted

BATCHES = 3
SHEETS = tuple(f"train_batch{number}.jpg" for number in range(BATCHES))
_IMAGES = 16  # of a batch, the first ones
_COLUMNS = 4
_SIDE = 320  # pixels


@dataclass(frozen=True, eq=False)
class BatchSheets:
    """Writes the first batches of an epoch as SHEETS; `Loader.epoch` calls it with each batch.

    Attributes:
        folder: where the pictures go.
        normalization: [3, 4], the map from gray levels to the values in the batch.
        names: the class names.
        records: the dataset's images, whose file names are the captions.
    """

    folder: Path
    normalization: np.ndarray
    names: Sequence[str]
    records: Sequence[Record]

    def __call__(self, step: int, arrays: PackedArrays) -> None:
        """Writes the batch if it is one of the first. Raises UserError if the file cannot be written."""
        if step >= BATCHES:
            return
        shown = arrays["im_id"][:_IMAGES].tolist()
        files = {record.im_id: Path(record.im_file).name for record in self.records if record.im_id in shown}
        page = draw_batch(arrays, self.normalization, self.names, [files[im_id] for im_id in shown])
        path = self.folder / SHEETS[step]
        write_bytes(path, encode_image(path, page))


def batch_sheets(folder: Path, reader: Reader, dataset: Dataset) -> BatchSheets:
    """The BatchSheets of a reader's batches of a loaded dataset."""
    names = [category.name for category in dataset.categories]
    return BatchSheets(folder, reader.normalization, names, dataset.records)


def draw_batch(
    arrays: PackedArrays, normalization: np.ndarray, names: Sequence[str], captions: Sequence[str]
) -> np.ndarray:
    """A page [H, W, 3] uint8 BGR of the batch's first images, one for each caption."""
    pictures = []
    for index in range(len(captions)):
        picture, factor = fitted(network_view(arrays, index, normalization), _SIDE)
        real = arrays["pad_gt_mask"][index, :, 0] > 0
        boxes, kinds = arrays["gt_bbox"][index][real] * factor, arrays["gt_class"][index][real, 0]
        pictures.append(draw(picture, boxes, None, kinds, [names[kind] for kind in kinds.tolist()]))
    return contact_sheet(pictures, captions, _SIDE, _COLUMNS)


def network_view(arrays: PackedArrays, index: int, normalization: np.ndarray) -> np.ndarray:
    """One image of a batch with its normalization undone: [H, W, 3] uint8 BGR.

    Padding, which is 0 in the batch, has the mean color.
    """
    back = color.inverse(normalization)
    if "color_map" in arrays:  # what the device applies to it
        back = color.compose(arrays["color_map"][index], back)
    pixels = color.apply_map(cv2.merge(list(arrays["image"][index])), back[::-1])  # the map's rows are R, G, B
    return np.asarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
