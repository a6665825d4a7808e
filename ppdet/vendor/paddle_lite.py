"""Paddle Lite files: a program of Paddle 2, which paddle_lite_opt makes a .nb for ARM of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.paddle_program import write_program
from ppdet.vendor.tools import require_file, run_worker


def convert_paddle_lite(job: Conversion) -> None:
    """Write `job.target` (.nb). Raises UserError if the converter fails, or the job asks for INT8."""
    if job.images is not None:
        raise UserError(
            "--format: found paddle_lite, which is written in float or half; expected another format in INT8"
        )
    with temporary_folder() as temp:
        run_worker("paddle_lite", {**describe_paddle_lite(job, temp), "target": str(job.target)}, job.tool_env)
    require_file("paddle_lite", job.target)


def describe_paddle_lite(job: Conversion, folder: Path) -> dict[str, Any]:
    """Returns the job of the worker; the program goes to `folder`."""
    import onnx

    program = folder / "model.pdmodel"
    write_program(onnx.load(str(job.source)), program)
    return {"program": str(program), "target": str(folder / "model.nb"), "fp16": job.fp16}
