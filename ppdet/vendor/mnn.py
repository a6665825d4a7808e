"""MNN files, converted from ONNX by MNN's own converter."""

from __future__ import annotations

from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.vendor.tools import run_worker


def convert_mnn(source: Path, target: Path, fp16: bool, tool_env: str | None) -> None:
    """Write the ONNX file `source` as `target` (.mnn). Raises UserError if the converter fails."""
    run_worker("mnn", {"source": str(source), "target": str(target), "fp16": fp16}, tool_env)
    if not target.is_file():  # the converter's status is 0 all the same
        raise UserError("export.format: mnn's converter wrote no file; report this with the config")
