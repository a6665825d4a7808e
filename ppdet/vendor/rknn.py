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
    paths = {"source": str(job.source.absolute()), "target": str(job.target.absolute())}
    if job.images is None:
        return {**paths, "images": None}
    names = [f"{i}.npy" for i in range(len(job.images))]
    for name, image in zip(names, job.images, strict=True):
        np.save(folder / name, image[None])
    listed = folder / "images.txt"
    listed.write_text("".join(f"{name}\n" for name in names))
    return {**paths, "images": str(listed.absolute())}
