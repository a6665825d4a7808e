"""A model in a vendor's simulator, which runs in a process of its own, perhaps in another environment."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.deploy.backends.base import Feed, Port
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.tools import last_line, worker_command

Describe = Callable[[Conversion, Path], Mapping[str, Any]]


class Simulator:
    """Backend whose worker builds the model once more, for simulators that take no written file.

    The worker answers a line when the model is built, and one for each [input .npy, outputs .npz] that it gets.

    Args:
        name: of the format.
        job: the conversion.
        describe: `describe(job, folder)` is the worker's job; files for it go to `folder`.
    """

    infer_cfg: str | None = None

    def __init__(self, name: str, job: Conversion, describe: Describe) -> None:
        import onnx

        (image,) = onnx.load(str(job.source)).graph.input
        shape = tuple(side.dim_value for side in image.type.tensor_type.shape.dim)
        self.inputs: tuple[Port, ...] = (Port(image.name, shape, np.dtype("float32")),)
        self._name, self._temporary = name, tempfile.TemporaryDirectory(prefix="ppdet-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)
        described = {**describe(job, self._folder), "simulate": True}
        command, pipe = worker_command(name, job.tool_env), subprocess.PIPE
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)
        self._ask(described)

    def run(self, feeds: Feed) -> list[np.ndarray]:
        given, found = self._folder / "input.npy", self._folder / "outputs.npz"
        np.save(given, feeds[self.inputs[0].name])
        self._ask([str(given), str(found)])
        with np.load(found) as outputs:
            return [outputs[name] for name in outputs.files]

    def _ask(self, message: Any) -> None:
        """Send a message and wait for the answer. Raises UserError if the process ended instead."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            print(json.dumps(message), file=stdin, flush=True)
            answer = stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            text = (self._folder / "log").read_text(errors="replace")
            raise UserError(f"export.format: {self._name}'s simulator failed ({last_line(text)})")

    def close(self) -> None:
        """End the process."""
        if hasattr(self, "_process"):
            self._process.communicate()  # closes its input, after which it ends
        self._temporary.cleanup()

    __del__ = close
