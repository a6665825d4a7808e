"""The reader's data: a Record on disk becomes a Sample, and samples become a Batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ppdet.core.targets import Targets
from ppdet.data.ops.deferred_resize import PendingResize

if TYPE_CHECKING:
    from paddle import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One image of a dataset and its annotation, as read from the annotation file.

    Attributes:
        im_file: path of the image.
        im_id: number of the image in the annotation file, from 0; `Dataset.image_ids` has the file's own id.
        size: (height, width) in pixels in the annotation; None if it has none. A hint: the decoded image decides.
        gt_bbox: [N, 4] float32, xyxy, pixels of the original image.
        gt_class: [N, 1] int32, index into the dataset's `categories`.
        difficult: [N, 1] int32, 1 for boxes that Pascal VOC marks as difficult.
        gt_score: [N, 1] float32, 0 to 1, how much each box counts in training; None: all count 1.
    """

    im_file: str
    im_id: int
    size: tuple[int, int] | None
    gt_bbox: np.ndarray
    gt_class: np.ndarray
    difficult: np.ndarray
    gt_score: np.ndarray | None = None


@dataclass(slots=True, eq=False)
class Sample:
    """One image on its way through the transforms. Transforms return a new Sample and do not change their input.

    Attributes:
        im_file: Record.im_file.
        im_id: Record.im_id.
        annotated_size: Record.size.
        image: [h, w, 3] RGB, uint8 as decoded; empty before Decode.
        im_shape: [2] float32, (height, width) in pixels of the network's input for this image, without padding.
        scale_factor: [2] float32, (y, x): current size / size of the original.
        gt_bbox: [N, 4] float32, xyxy, pixels of `size`.
        gt_class: [N, 1] int32.
        gt_score: [N, 1] float32, 0 to 1, how much each box counts in training; None: all count 1.
        pad_gt_mask: [N, 1] float32, 1 for a box and 0 for padding; None before PadGT (all are boxes).
        size: (height, width) in pixels that the boxes refer to. It is that of `image`, unless a resize is pending, or
            the image is stored smaller until Resize (decoded at a reduced scale, or cached).
        pending_resize: the resize that is still to be applied to `image` (ops/deferred_resize.py); None: none.
        color_map: the map [3, 4] that is still to be applied to the values of `image` (ops/color.py); None: none.
        padded_size: (height, width) of the image in the batch, filled up with zeros; None: `size`.
        decoded_size: (height, width) of the whole image; (0, 0) before Decode.
        images_before: number of images that the training has read in earlier epochs.
    """

    im_file: str
    im_id: int
    annotated_size: tuple[int, int] | None
    image: np.ndarray
    im_shape: np.ndarray
    scale_factor: np.ndarray
    gt_bbox: np.ndarray
    gt_class: np.ndarray
    gt_score: np.ndarray | None = None
    pad_gt_mask: np.ndarray | None = None
    size: tuple[int, int] = (0, 0)
    pending_resize: PendingResize | None = None
    color_map: np.ndarray | None = None
    padded_size: tuple[int, int] | None = None
    decoded_size: tuple[int, int] = (0, 0)
    images_before: int = 0

    @classmethod
    def from_record(cls, record: Record) -> Sample:
        image, im_shape, scale_factor = np.empty((0, 0, 3), np.uint8), np.zeros(2, np.float32), np.ones(2, np.float32)
        of_image = (record.im_file, record.im_id, record.size, image, im_shape, scale_factor)
        return cls(*of_image, record.gt_bbox, record.gt_class, record.gt_score)

    @property
    def scores(self) -> np.ndarray:
        """`gt_score`, or ones."""
        return np.ones((len(self.gt_bbox), 1), np.float32) if self.gt_score is None else self.gt_score

    def with_boxes(self, boxes: np.ndarray, kept: np.ndarray) -> Sample:
        """The sample with `boxes` [M, 4] in place of its own, which were made from those at the indices `kept` [M]."""
        score = None if self.gt_score is None else self.gt_score[kept]
        return replace(self, gt_bbox=boxes, gt_class=self.gt_class[kept], gt_score=score)


@dataclass(slots=True, eq=False)
class Batch:
    """The input of the model, the criterion and the metrics: B images, padded to N >= 1 boxes each.

    Attributes:
        image: [B, 3, H, W] float32, normalized RGB.
        im_shape: [B, 2] float32, (height, width) in pixels.
        scale_factor: [B, 2] float32, (y, x).
        im_id: [B] int64, on the host.
        gt_bbox: [B, N, 4] float32, xyxy, pixels of `image`; zeros for padding.
        gt_class: [B, N, 1] int32; zeros for padding.
        pad_gt_mask: [B, N, 1] float32, 1 for a box and 0 for padding.
        gt_score: [B, N, 1] float32, how much each box counts, 0 for padding; None: all count 1.
    """

    image: Tensor
    im_shape: Tensor
    scale_factor: Tensor
    im_id: np.ndarray
    gt_bbox: Tensor
    gt_class: Tensor
    pad_gt_mask: Tensor
    gt_score: Tensor | None = None

    @property
    def targets(self) -> Targets:
        """The ground truths, which the losses are computed from."""
        return Targets(self.gt_class, self.gt_bbox, self.pad_gt_mask, self.gt_score)
