"""Writing models with the checksum that a runner compares before it uses them (`ppdet/deploy/checksum.py`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ppdet.deploy.checksum import model_checksum

_PLACEHOLDER = "0" * 64  # for a checksum that is not known yet


def save_onnx_model(model: Any, config: Mapping[str, Any], path: Path) -> None:
    """Writes an onnx.ModelProto with `config` (infer_cfg.yml's content) and its checksum as the only metadata."""
    import onnx

    del model.metadata_props[:]
    path.write_bytes(model.SerializeToString())
    onnx.helper.set_model_props(model, {"infer_cfg": json.dumps({**config, "checksum": model_checksum(path)})})
    path.write_bytes(model.SerializeToString())


def save_openvino_model(model: Any, config: Mapping[str, Any], path: Path, fp16: bool) -> None:
    """Writes an openvino.Model as `path` (.xml, with .bin beside it); its `rt_info` has `config` and the checksum."""
    import openvino

    model.set_rt_info(json.dumps({**config, "checksum": _PLACEHOLDER}), ["infer_cfg"])
    openvino.save_model(model, str(path), compress_to_fp16=fp16)
    before, after = (b"checksum&quot;: &quot;" + value.encode() for value in (_PLACEHOLDER, model_checksum(path)))
    path.write_bytes(path.read_bytes().replace(before, after))


def stored_config(model: Any) -> dict[str, Any]:
    """Returns the content of infer_cfg.yml, and the checksum, that `save_onnx_model` stored in an onnx.ModelProto."""
    config: dict[str, Any] = json.loads(next(prop.value for prop in model.metadata_props if prop.key == "infer_cfg"))
    return config


def save_config_beside(model: Path, config: Mapping[str, Any]) -> None:
    """Writes `<model>.json`: `config` and the checksum, for formats that carry no metadata."""
    text = json.dumps({**config, "checksum": model_checksum(model)})
    model.with_name(f"{model.name}.json").write_text(text, encoding="utf-8")
