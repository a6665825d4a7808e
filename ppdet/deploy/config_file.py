"""Reads infer_cfg, with limits: JSON inside a model, or a YAML file beside it. Other small YAML files as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import DeployError, first_error_line

FILE_NAMES = ("infer_cfg.yml", "inference.yml")  # PaddleDetection's and PaddleX's
_REMEDY = "export the model again with tools/export_model.py"
_MAX_BYTES = 1 << 19  # a file with thousands of class names has a tenth of that
_MAX_NODES = 100_000  # keys and values; those behind an alias count each time


def read_mapping(model: Path, embedded: str | None) -> tuple[Any, str]:
    """The content of infer_cfg, not checked yet, and the name of its source for messages.

    Uses `embedded` if it is given, since it surely belongs to this model; otherwise the file beside `model`. Raises
    DeployError if there is none or it cannot be read.
    """
    if embedded is not None:
        source = f"{model}: infer_cfg"
        if len(embedded) > _MAX_BYTES:
            raise _too_large(source, len(embedded))
        return _parsed(json.loads, embedded, source), source
    names = sorted(FILE_NAMES, key=lambda name: not name.startswith(model.stem))  # inference.json has inference.yml
    beside = next((file for name in names if (file := model.parent / name).is_file()), None)
    if beside is None:
        wanted = model.parent / FILE_NAMES[0]
        raise DeployError(f"{model}: has no infer_cfg, and there is no {wanted}; {_REMEDY}, or copy the file to there")
    try:
        import yaml  # noqa: F401  # read_yaml needs it
    except ImportError:
        raise DeployError(f"{beside}: PyYAML, which reads it, is not installed; pip install pyyaml") from None
    return _parsed(_read_yaml, _text(beside), str(beside)), str(beside)


def read_file(file: Path) -> Any:
    """The content of a YAML or JSON file that a user wrote. Raises DeployError if it cannot be read."""
    return _parsed(_read_yaml, _text(file, "shorten it"), str(file), "correct it")


def _text(file: Path, remedy: str = _REMEDY) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise _too_large(str(file), file.stat().st_size, remedy)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise DeployError(f"{file}: cannot be read ({error.strerror}); check the file's rights") from error
    except UnicodeDecodeError as error:
        raise DeployError(f"{file}: not UTF-8 text (at byte {error.start}); save it as UTF-8") from error


def _too_large(source: str, size: int, remedy: str = _REMEDY) -> DeployError:
    return DeployError(f"{source}: has {size} bytes; expected at most {_MAX_BYTES}; {remedy}")


def _parsed(load: Any, text: str, source: str, remedy: str = _REMEDY) -> Any:
    try:
        return load(text)
    except Exception as error:  # YAML and JSON have an exception each, and deep nesting is a RecursionError
        raise DeployError(f"{source}: cannot be read ({first_error_line(error)}); {remedy}") from error


def _read_yaml(text: str) -> Any:
    """Like yaml.safe_load, but raises ValueError if there are more than _MAX_NODES nodes, aliases written out."""
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if _expanded(root, {}) > _MAX_NODES:
            raise ValueError(f"more than {_MAX_NODES} keys and values, aliases written out")
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _expanded(node: Any, known: dict[int, int]) -> int:
    """The number of nodes in `node`, aliases written out. Raises ValueError if an alias contains itself."""
    if id(node) not in known:
        known[id(node)] = -1  # being counted
        parts = node.value if isinstance(node.value, list) else []
        children = [child for part in parts for child in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_expanded(child, known) for child in children)
    if known[id(node)] < 0:
        raise ValueError("an alias that contains itself")
    return known[id(node)]
