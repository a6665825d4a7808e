"""The loggers that the config's `log` names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ppdet.training.callbacks.base import Callback
from ppdet.training.callbacks.mlflow import MLflow
from ppdet.training.callbacks.tensorboard import TensorBoard
from ppdet.training.callbacks.tolerant import Tolerant
from ppdet.training.callbacks.visualdl import FOLDER, VisualDL
from ppdet.training.callbacks.wandb import WeightsAndBiases

_BUILD: Mapping[str, Callable[[Path], Callback]] = {
    "tensorboard": lambda folder: TensorBoard(),
    "visualdl": lambda folder: VisualDL(folder / FOLDER, "log: visualdl"),
    "wandb": lambda folder: WeightsAndBiases(),
    "mlflow": lambda folder: MLflow(),
}


def build_loggers(names: Iterable[str], folder: Path) -> list[Callback]:
    """The loggers of a run with this output folder. Raises UserError if the library of one is not installed.

    Args:
        names: some of core.settings.LOGGERS.
        folder: the output folder.
    """
    return [Tolerant(_BUILD[name](folder), f"log: {name}") for name in names]
