"""One run of a vendor's converter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Conversion:
    """What is converted, and how.

    Attributes:
        source: an ONNX file of one image of a fixed size, without NMS.
        target: the file that a runtime loads; files that belong to it go beside it.
        fp16: store weights in half the space.
        tool_env: folder of the virtual environment of the converter; None: this one.
        images: [N, 3, H, W] float32, inputs that show the ranges of values; they make the model INT8. None: no INT8.
    """

    source: Path
    target: Path
    fp16: bool = False
    tool_env: str | None = None
    images: np.ndarray | None = None
