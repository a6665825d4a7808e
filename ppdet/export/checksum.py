"""Checksums of exported models, which a runner compares before it uses them (`deploy/python/checksum.py`)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PLACE = "0" * 64  # of a checksum that is not known yet


def save_onnx_model(model: Any, config: Mapping[str, Any], path: Path) -> None:
    """Write an onnx.ModelProto with `config` (infer_cfg.yml's content) and its checksum as the only metadata."""
    import onnx

    del model.metadata_props[:]
    checksum = _sha256(model.SerializeToString())
    onnx.helper.set_model_props(model, {"infer_cfg": json.dumps({**config, "checksum": checksum})})
    path.write_bytes(model.SerializeToString())


def save_openvino_model(model: Any, config: Mapping[str, Any], path: Path, fp16: bool) -> None:
    """Write an openvino.Model as `path` (.xml, with .bin beside it); `config` and the checksum become its `rt_info`."""
    import openvino

    model.set_rt_info(json.dumps({**config, "checksum": _PLACE}), ["infer_cfg"])
    openvino.save_model(model, str(path), compress_to_fp16=fp16)
    content = path.read_bytes()
    network = re.sub(rb'<infer_cfg value="[^"]*"', b"", content)
    checksum = _sha256(network, path.with_suffix(".bin").read_bytes())
    path.write_bytes(
        content.replace(b"checksum&quot;: &quot;" + _PLACE.encode(), b"checksum&quot;: &quot;" + checksum.encode())
    )


def paddle_checksum(program: Path) -> str:
    """Checksum of model.json or model.pdmodel with model.pdiparams, for infer_cfg.yml."""
    return _sha256(program.read_bytes(), program.with_suffix(".pdiparams").read_bytes())


def _sha256(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
