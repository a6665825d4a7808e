"""Outputs of detectors that are not of this project, as those of NMS (see postprocess.detections)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def as_nms_outputs(outputs: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """The outputs as bbox [M, 6] (class, score, x1, y1, x2, y2) and bbox_num [B], if they are of one of these kinds.

    boxes [B, N, 4] xyxy, scores [B, N] and classes [B, N]; without the axis B for one image. The last two may change
    places if the classes are whole numbers by type.
    rows [B, N, 6]: x1, y1, x2, y2, score, class.

    All others are returned as they are. Rows of a class below 0 stand for nothing.
    """
    kinds = [array.ndim for array in outputs]
    if kinds in ([3, 2, 2], [2, 1, 1]) and outputs[0].shape[-1] == 4:
        boxes, scores, classes = outputs
        if np.issubdtype(scores.dtype, np.integer):
            scores, classes = classes, scores
    elif kinds == [3] and outputs[0].shape[-1] == 6:
        boxes, scores, classes = outputs[0][..., :4], outputs[0][..., 4], outputs[0][..., 5]
    else:
        return outputs
    rows = np.concatenate(
        [np.maximum(classes, -1)[..., None], scores[..., None], boxes], axis=-1, dtype=np.float32, casting="unsafe"
    )
    images = 1 if rows.ndim == 2 else len(rows)
    return [rows.reshape(-1, 6), np.full(images, rows.shape[-2], np.int64)]
