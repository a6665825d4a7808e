"""Chooses the file of a model and the runtime that runs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from ..errors import DeployError, first_error_line
from . import runtimes, small_runtimes
from .base import Backend
from .kinds import KINDS, SUFFIXES

_INT8 = "_int8"  # ending of the names that tools/post_quant.py writes


def load(model_path: str | Path | Backend, backend: str, threads: int) -> tuple[Backend, str, Path]:
    """The model, the name of its backend and the file. Raises DeployError if one of them does not fit."""
    if not isinstance(model_path, (str, Path)):
        return model_path, type(model_path).__name__, Path(type(model_path).__name__)
    name, file = choose(Path(model_path), backend)
    make: dict[str, Callable[[Path, int], Backend]] = {
        "openvino": runtimes.OpenVino,
        "onnxruntime": runtimes.OnnxRuntime,
        "paddle": runtimes.PaddleInference,
        "ncnn": small_runtimes.Ncnn,
        "mnn": small_runtimes.Mnn,
        "tflite": small_runtimes.Tflite,
    }
    try:
        return make[name](file, threads), name, file
    except DeployError:
        raise
    except Exception as error:  # each runtime has its own, down to RuntimeError
        raise DeployError(
            f"{file}: {name} cannot load it ({first_error_line(error)}); is it a model file, and whole?"
        ) from error


def choose(model_path: Path, backend: str = "auto") -> tuple[str, Path]:
    """(backend, file): the requested backend, or the fastest one that is installed and has a file."""
    if backend not in ("auto", *KINDS):
        raise DeployError(f"backend: found {backend}; expected auto, {', '.join(KINDS)}")
    if not model_path.exists():
        raise DeployError(f"{model_path}: there is no such file or folder; tools/export_model.py writes it")
    if model_path.is_file() and model_path.suffix not in SUFFIXES:
        raise DeployError(f"{model_path}: not a model file; expected {', '.join(SUFFIXES)} or the folder of an export")
    kinds = KINDS if backend == "auto" else {backend: KINDS[backend]}
    for name, kind in kinds.items():
        if importlib.util.find_spec(kind.module) and (file := _file(model_path, kind.suffixes)):
            return name, file
    if absent := {name: kind for name, kind in kinds.items() if _file(model_path, kind.suffixes)}:
        packages = " or ".join(kind.package for kind in absent.values())
        extras = ",".join(dict.fromkeys(kind.extra for kind in absent.values()))
        raise DeployError(
            f"backend {' or '.join(absent)}: not installed; pip install {packages}, or in a clone pip install "
            f'".[{extras}]"'
        )
    wanted = dict.fromkeys(suffix for kind in kinds.values() for suffix in kind.suffixes)
    if int8 := sorted(file.name for suffix in wanted for file in model_path.glob(f"*{suffix}") if _is_int8(file)):
        raise DeployError(f"{model_path}: only INT8 models that {backend} runs ({', '.join(int8)}); name the file")
    raise DeployError(
        f"{model_path}: nothing that {backend} runs ({', '.join(wanted)}); choose another backend or file, or export "
        "in that format"
    )


def _file(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    """`path` if it is a file; in a folder model.*, or else the only model with such a suffix that is not INT8."""
    if path.is_file():
        return path if path.suffix in suffixes else None
    for suffix in suffixes:
        if (model := path / f"model{suffix}").is_file():
            return model
    for suffix in suffixes:
        found = sorted(file for file in path.glob(f"*{suffix}") if _is_model(file) and not _is_int8(file))
        if len(found) > 1:
            names = ", ".join(file.name for file in found)
            raise DeployError(f"{path}: has several models ({names}); name the file")
        if found:
            return found[0]
    return None


def _is_model(file: Path) -> bool:
    """True for a model file. A .json without weights, like int8_report.json, is no model."""
    return file.suffix != ".json" or file.with_suffix(".pdiparams").is_file()


def _is_int8(file: Path) -> bool:
    """True for an INT8 model, as model_int8.ncnn.param."""
    return _is_model(file) and file.name.partition(".")[0].endswith(_INT8)
