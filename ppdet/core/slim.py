"""`--slim_config`: PaddleDetection's overlays, which compress a model."""

from __future__ import annotations

import logging
from pathlib import Path

from ppdet.core.config_files import read_own_keys
from ppdet.core.errors import UserError

logger = logging.getLogger(__name__)

_NO_PRUNING = (
    "pruning is not built in: cut widths fit no published weights, and single weights of 0 make no runtime here faster"
    "; take a smaller model of configs/picodet"
)
_QUANTIZE = "quantize an export with tools/post_quant.py, without --slim_config"
_METHODS = {
    "QAT": f"training in INT8 is not built in; {_QUANTIZE}",
    "PTQ": _QUANTIZE,
    "Distill": "distillation is not built in; train without --slim_config",
    "DistillPrune": _NO_PRUNING,
    "Pruner": _NO_PRUNING,
    "UnstructuredPruner": _NO_PRUNING,
    "OFA": _NO_PRUNING,
}


def check_slim_config(file: Path, command: str) -> None:
    """Raises UserError with the reason if `command` cannot run as the overlay asks.

    An overlay for distillation changes only the training. One for post-training quantization is what `quantize` does.
    """
    method = read_own_keys(file).get("slim")
    if method not in _METHODS:
        found = "no slim key" if method is None else f"slim: {method!r}"
        raise UserError(
            f"{file}: found {found}; expected one of {', '.join(_METHODS)}, as in PaddleDetection's configs/slim"
        )
    if (command, method) == ("quantize", "PTQ") or (command != "train" and method == "Distill"):
        logger.info("--slim_config: %s changes nothing for %s", file, command)
        return
    raise UserError(f"{file}: slim: {method}: {_METHODS[method]}")


def refuse_pruning(wanted: object) -> None:
    """Raises UserError if a config's `unstructured_prune`, the value `wanted`, asks for a training that prunes."""
    if wanted:
        raise UserError(f"unstructured_prune: {_NO_PRUNING}, or set unstructured_prune: false")
