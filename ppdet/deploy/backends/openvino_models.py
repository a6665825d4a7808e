"""A model of OpenVINO that several threads run at the same time."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import DeployError
from .signal_stack import keep_signal_stack


class OpenVinoModels:
    """The same model, compiled up to `most` times: calls of one compiled model wait for each other.

    OpenVINO's own streams are not used. They compute in threads of their own, which costs time for each image, and a
    forked process does not have these threads.

    Args:
        core, model: of openvino.
        threads: the number of threads that compute one call.
        most: how many calls may be computed at the same time.
    """

    def __init__(self, core: Any, model: Any, threads: int, most: int) -> None:
        self._core, self._model, self._most = core, model, most
        self._settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # CPUs that have bfloat16 compute in it otherwise: the scores differ
            "ENABLE_CPU_PINNING": False,  # every compiled model, and every process, would take the same first cores
        }
        self._compiled = [self._compile()]
        self._numbers, self._compiling = itertools.count(1), threading.Lock()
        self.busy_threads: set[int] = set()
        self._process = self._origin = os.getpid()

    @property
    def first(self) -> Any:
        """One of the compiled models."""
        return self._compiled[0]

    def request(self) -> Any:
        """Another request, of a compiled model of its own as long as there are fewer than `most`."""
        number = next(self._numbers) % self._most
        if self._origin != os.getpid():  # compiling needs threads that a forked process does not have
            return self._compiled[number % len(self._compiled)].create_infer_request()
        with self._compiling:
            if number >= len(self._compiled):
                self._compiled.append(self._compile())
        return self._compiled[number % len(self._compiled)].create_infer_request()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Context of a call. Raises DeployError if the process was forked during one, as the call would never end."""
        if self._process != os.getpid():
            if self.busy_threads:  # it would wait forever for locks of threads that are not in this process
                raise DeployError(
                    "openvino: this process was forked while threads used the model; start processes before that, or "
                    "with another method (spawn)"
                )
            self._process = os.getpid()
        thread = threading.get_ident()
        self.busy_threads.add(thread)
        try:
            yield
        finally:
            self.busy_threads.discard(thread)

    def _compile(self) -> Any:
        with keep_signal_stack():
            return self._core.compile_model(self._model, "CPU", self._settings)
