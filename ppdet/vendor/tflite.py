"""TFLite files, converted from ONNX by onnx2tf."""

from __future__ import annotations

import numpy as np

from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.tools import require_file, run_worker


def convert_tflite(job: Conversion) -> None:
    """Write `job.target` (.tflite). Raises UserError if the converter fails."""
    with temporary_folder() as temp:
        images = None
        if job.images is not None:
            images = temp / "images.npy"
            np.save(images, job.images.transpose(0, 2, 3, 1))
        paths = {"source": str(job.source), "folder": str(temp / "out"), "images": images and str(images)}
        run_worker("tflite", paths, job.tool_env)
        kind = "integer_quant" if images else "float16" if job.fp16 else "float32"
        written = temp / "out" / f"{job.source.stem}_{kind}.tflite"
        require_file("tflite", written)
        job.target.write_bytes(written.read_bytes())
