"""MNN files, converted from ONNX by MNN's own converter."""

from __future__ import annotations

from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.tools import require_file, run_worker


def convert_mnn(job: Conversion, parameters: bytes | None = None) -> None:
    """Write `job.target` (.mnn).

    Args:
        job: the files.
        parameters: the quantization of convolutions (`mnn_parameters.py`); None: of none.

    Raises:
        UserError: the converter fails.
    """
    with temporary_folder() as temp:
        described = {"source": str(job.source), "target": str(job.target), "fp16": job.fp16}
        if parameters is not None:
            (temp / "parameters.bin").write_bytes(parameters)
            described["parameters"] = str(temp / "parameters.bin")
        run_worker("mnn", described, job.tool_env)
    require_file("mnn", job.target)
