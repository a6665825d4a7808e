"""One small class per runtime of phones and boards; each takes one image at a time. Threads may share a model."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np

from ..errors import DeployError
from .base import Feed, Port

_FLOAT = np.dtype("float32")
_HIGH_PRECISION = 1  # of MNN: float32 throughout


def embedded_config(file: Path) -> str | None:
    """The infer_cfg that belongs to the model `file`: the content of <file>.json, or None if it is not there."""
    beside = file.with_name(f"{file.name}.json")
    return beside.read_text(encoding="utf-8") if beside.is_file() else None


class Ncnn:
    """Backend for .param with .bin."""

    def __init__(self, file: Path, threads: int) -> None:
        import ncnn

        weights = file.with_suffix(".bin")
        if not weights.is_file():
            raise DeployError(f"{file}: {weights.name} is not beside it; copy both files")
        self._ncnn, self._net = ncnn, ncnn.Net()
        options = self._net.opt
        options.num_threads, options.use_vulkan_compute = threads, False
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_storage = False
        if self._net.load_param(str(file)) or self._net.load_model(str(weights)):
            raise ValueError("ncnn refuses it; its message stands above")
        (name,), self._outputs = self._net.input_names(), self._net.output_names()
        self.inputs: tuple[Port, ...] = (Port(name, (1, 3, None, None), _FLOAT),)
        self.infer_cfg = embedded_config(file)

    def run(self, feeds: Feed) -> list[np.ndarray]:
        extractor, (port,) = self._net.create_extractor(), self.inputs
        extractor.input(port.name, self._ncnn.Mat(np.ascontiguousarray(feeds[port.name][0])).clone())
        return [self._extract(extractor, name) for name in self._outputs]

    def clone(self) -> Ncnn:
        return self  # each run has an extractor of its own

    def _extract(self, extractor: object, name: str) -> np.ndarray:
        status, found = extractor.extract(name)  # type: ignore[attr-defined]
        if status:
            raise ValueError(f"ncnn cannot compute {name} (status {status})")
        return np.array(found)[None]


class Mnn:
    """Backend for .mnn. Threads take turns."""

    def __init__(self, file: Path, threads: int) -> None:
        import MNN

        self._expr, self._turn = MNN.expr, threading.Lock()
        settings = {"backend": 0, "precision": _HIGH_PRECISION, "numThread": threads}
        self._runtime = MNN.nn.create_runtime_manager((settings,))
        module = MNN.nn.load_module_from_file(str(file), [], [], runtime_manager=self._runtime)
        if module is None:
            raise ValueError("MNN refuses it")
        self._module, (name,) = module, module.get_info()["inputNames"]
        self.inputs: tuple[Port, ...] = (Port(name, (1, 3, None, None), _FLOAT),)
        self.infer_cfg = embedded_config(file)

    def run(self, feeds: Feed) -> list[np.ndarray]:
        (port,) = self.inputs
        image = np.ascontiguousarray(feeds[port.name])
        with self._turn:
            given = self._expr.placeholder(list(image.shape), self._expr.NCHW)
            given.write(image)
            outputs = self._module.onForward([given])
            return [np.array(self._expr.convert(output, self._expr.NCHW).read()) for output in outputs]

    def clone(self) -> Mnn:
        return self


class Tflite:
    """Backend for .tflite, whose image is [1, H, W, 3] inside. Threads take turns."""

    def __init__(self, file: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._model, self._turn = Interpreter(str(file), num_threads=threads), threading.Lock()
        self._model.allocate_tensors()
        (self._input,) = self._model.get_input_details()
        self._outputs = sorted(self._model.get_output_details(), key=lambda output: _number(output["name"]))
        _, height, width, _ = map(int, self._input["shape"])
        self.inputs: tuple[Port, ...] = (Port("image", (1, 3, height, width), _FLOAT),)
        self.infer_cfg = embedded_config(file)

    def run(self, feeds: Feed) -> list[np.ndarray]:
        image = np.ascontiguousarray(feeds["image"].transpose(0, 2, 3, 1))
        with self._turn:
            self._model.set_tensor(self._input["index"], image)
            self._model.invoke()
            return [self._model.get_tensor(output["index"]) for output in self._outputs]


def _number(name: str) -> int:
    """The number at the end of an output's name, as in Identity_1 or StatefulPartitionedCall:1; 0 if there is none."""
    found = re.search(r"\d+$", name)
    return int(found.group()) if found else 0
