"""The interface of all runtimes: named inputs and a way to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

Feed = Mapping[str, np.ndarray]  # the inputs of one batch by name
Runner = Callable[[Feed], list[np.ndarray]]  # -> the model's outputs


@dataclass(frozen=True)
class Port:
    """An input of a model; None in `shape`: any size, or not known before it runs."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype


class Backend(Protocol):
    """A loaded model, which one thread at a time runs. `infer_cfg` is the JSON text that it carries, if any."""

    inputs: tuple[Port, ...]
    infer_cfg: str | None

    def run(self, feeds: Feed) -> list[np.ndarray]:
        """The outputs in the model's order; they may be lent until the next call."""
        ...


@runtime_checkable
class Cloneable(Backend, Protocol):
    """A Backend whose clones several threads run at the same time."""

    def clone(self) -> Backend:
        """The same model with inputs and outputs of its own."""
        ...


def keep_outputs(run: Runner) -> Runner:
    """A Runner like `run` whose outputs stay valid when it is called again."""
    return lambda feeds: [output.copy() for output in run(feeds)]
