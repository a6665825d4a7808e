"""The way of images through a network, for one thread at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .backends.base import Backend
from .errors import DeployError, first_error_line
from .inputs import Inputs
from .preprocess import Prepared, Preprocessor


class Lane:
    """Buffers for the network's input and a runtime's request.

    Args:
        backend: the runtime, which no other lane uses at the same time.
        preprocess: likewise.
        inputs: the inputs that the model takes.
        name, file: the runtime's name and the model's file, for messages.
    """

    def __init__(self, backend: Backend, preprocess: Preprocessor, inputs: Inputs, name: str, file: Path) -> None:
        self.backend = backend
        self._preprocess, self._inputs, self._name, self._file = preprocess, inputs, name, file

    def prepare(self, images: Sequence[tuple[np.ndarray, str]]) -> Prepared:
        """The network's inputs for loaded images, valid until the next call."""
        return self._preprocess(images)

    def run(self, prepared: Prepared) -> list[np.ndarray]:
        """The network's outputs, valid until the next call. Raises DeployError if it cannot run."""
        try:
            return self.backend.run(self._inputs.feeds(prepared))
        except DeployError:
            raise
        except Exception as error:  # each runtime has its own
            problem = f"{self._name} cannot run it on {list(prepared.image.shape)} ({first_error_line(error)})"
            raise DeployError(f"{self._file}: {problem}; export the model again") from error
