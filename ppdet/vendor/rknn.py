"""RKNN files, converted from ONNX by RKNN-Toolkit2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.tools import require_file, run_worker


def convert_rknn(job: Conversion) -> None:
    """Write `job.target` (.rknn). Raises UserError if the converter fails."""
    with temporary_folder() as temp:
        run_worker("rknn", describe_rknn(job, temp), job.tool_env)
    require_file("rknn", job.target)


def describe_rknn(job: Conversion, folder: Path) -> dict[str, Any]:
    """Returns the job of the worker; the images, one file each, go to `folder`."""
    files = []
    for i, image in enumerate(() if job.images is None else job.images):
        files.append(folder / f"{i}.npy")
        np.save(files[-1], image[None])
    listed = folder / "images.txt"
    listed.write_text("".join(f"{file}\n" for file in files))
    return {"source": str(job.source), "target": str(job.target), "images": str(listed) if files else None}
