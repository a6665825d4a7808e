"""MNN files, converted from ONNX by MNN's own converter."""

from __future__ import annotations

from ppdet.vendor.conversion import Conversion
from ppdet.vendor.tools import require_file, run_worker


def convert_mnn(job: Conversion) -> None:
    """Write `job.target` (.mnn). Raises UserError if the converter fails."""
    run_worker("mnn", {"source": str(job.source), "target": str(job.target), "fp16": job.fp16}, job.tool_env)
    require_file("mnn", job.target)
