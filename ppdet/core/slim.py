"""`--slim_config`: PaddleDetection's overlays, which compress a model."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from ppdet.core.config import load_config
from ppdet.core.config_files import read_own_keys
from ppdet.core.errors import UserError

logger = logging.getLogger(__name__)

_NO_PRUNING = (
    "pruning is not built in: cut widths fit no published weights, and single weights of 0 make no runtime here faster"
    "; take a smaller model of configs/picodet"
)
_QUANTIZE = "quantize an export with tools/post_quant.py, without --slim_config"
_METHODS = {
    "QAT": "write a section QAT: {}, without --slim_config",
    "PTQ": _QUANTIZE,
    "Distill": "write a section Distillation: {teacher: …, teacher_weights: …, losses: […]}, without --slim_config",
    "DistillPrune": _NO_PRUNING,
    "Pruner": _NO_PRUNING,
    "UnstructuredPruner": _NO_PRUNING,
    "OFA": _NO_PRUNING,
}


_OF_TRAININGS = ("Distill", "QAT")

# The losses that do what a method of overlays for distillation does. Features are compared in one way here.
_LOSSES = {
    "LD": "BoxDistillation",
    **dict.fromkeys(("CWD", "FGD", "MGD", "PKD"), "FeatureDistillation"),
}


def slim_overrides(file: Path, command: str) -> list[str]:
    """Returns the overrides (`a.b.c=value`) of the config that do what an overlay asks of `command`.

    An overlay for distillation or for training in INT8 changes only the training. One for post-training quantization is
    what `quantize` does.

    Raises:
        UserError: the command cannot run so; with the reason.
    """
    method = read_own_keys(file).get("slim")
    if method not in _METHODS:
        found = "no slim key" if method is None else f"slim: {method!r}"
        raise UserError(
            f"{file}: found {found}; expected one of {', '.join(_METHODS)}, as in PaddleDetection's configs/slim"
        )
    if (command, method) == ("quantize", "PTQ") or (command != "train" and method in _OF_TRAININGS):
        logger.info("--slim_config: %s changes nothing for %s", file, command)
        return []
    if method == "Distill":
        return _distillation(file)
    if method == "QAT":
        return _int8_training(file)
    raise UserError(f"{file}: slim: {method}: {_METHODS[method]}")


def _distillation(file: Path) -> list[str]:
    """The section `Distillation` of an overlay, which is the config of a teacher and names a method."""
    overlay, remedy = load_config(file), _METHODS["Distill"]
    if (architecture := overlay.get("architecture")) != "PicoDet":
        raise UserError(f"{file}: architecture: found {architecture!r}; expected PicoDet for the teacher; {remedy}")
    if (method := overlay.get("slim_method")) not in _LOSSES:
        raise UserError(f"{file}: slim_method: found {method!r}; expected one of {', '.join(_LOSSES)}; {remedy}")
    if not (weights := overlay.get("pretrain_weights")):
        raise UserError(f"{file}: pretrain_weights: required, the teacher's weights; {remedy}")
    logger.info("--slim_config: %s: %s is done by %s, with its defaults", file, method, _LOSSES[method])
    values = {"teacher": str(file), "teacher_weights": weights, "losses": [{_LOSSES[method]: {}}]}
    return [f"Distillation.{key}={json.dumps(value)}" for key, value in values.items()]


def _int8_training(file: Path) -> list[str]:
    """All that an overlay for training in INT8 sets, with the section `QAT` in the words that it has here."""
    overlay = load_config(file).to_dict()
    section = overlay.pop("QAT", None) or {}
    if not isinstance(section, dict):
        raise UserError(f"{file}: QAT: found {section!r}; expected a mapping; {_METHODS['QAT']}")
    for key in ("slim", "filename"):  # the second is made of the file's name
        del overlay[key]
    options = section.pop("quant_config", None) or {}
    if not isinstance(options, dict):
        raise UserError(f"{file}: QAT.quant_config: found {options!r}; expected a mapping; {_METHODS['QAT']}")
    section.pop("print_model", None)
    for name in ("weight_bits", "activation_bits"):
        if options.get(name, 8) != 8:
            raise UserError(f"{file}: QAT.quant_config.{name}: found {options[name]!r}; expected 8")
    if unused := sorted({*options} - {"weight_bits", "activation_bits"}):
        listed = ", ".join(unused)
        logger.info("--slim_config: %s: QAT.quant_config: not used here, the target decides: %s", file, listed)
    return [f"{key}={json.dumps(value)}" for key, value in {**overlay, "QAT": section}.items()]


def refuse_pruning(wanted: object) -> None:
    """Raises UserError if a config's `unstructured_prune`, the value `wanted`, asks for a training that prunes."""
    if wanted:
        raise UserError(f"unstructured_prune: {_NO_PRUNING}, or set unstructured_prune: false")
