"""One small class per runtime; each imports its library when the first model is loaded."""

from __future__ import annotations

import copy
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ..cpus import side_by_side
from ..errors import DeployError
from .base import Feed, Port
from .openvino_models import OpenVinoModels
from .paddle_ports import read_ports

_ERRORS_ONLY = 3  # the log level of ONNX Runtime; some published files make it warn at every run


class OnnxRuntime:
    """Backend for .onnx, which may be given as the contents of the file."""

    def __init__(self, model: Path | bytes, threads: int) -> None:
        options = session_options()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnx_session(model, options)
        self.inputs = tuple(
            Port(each.name, _sizes(each.shape), np.dtype("uint8" if each.type == "tensor(uint8)" else "float32"))
            for each in self._session.get_inputs()
        )
        self.infer_cfg: str | None = self._session.get_modelmeta().custom_metadata_map.get("infer_cfg")
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, feeds: Feed) -> list[np.ndarray]:
        outputs: list[np.ndarray] = self._session.run(self._outputs, dict(feeds))
        return outputs

    def clone(self) -> OnnxRuntime:
        return self  # its runs share nothing


def session_options() -> Any:
    """ONNX Runtime's SessionOptions, without its warnings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    return options


def onnx_session(model: Path | bytes, options: Any) -> Any:
    """ONNX Runtime's InferenceSession of a file, or of its contents, on the CPU."""
    import onnxruntime

    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


class OpenVino:
    """Backend for .xml with .bin, and for .onnx."""

    def __init__(self, file: Path, threads: int) -> None:
        import openvino

        if file.suffix == ".xml" and not file.with_suffix(".bin").is_file():
            raise DeployError(f"{file}: {file.with_suffix('.bin').name} is not beside it; copy both files")
        core = openvino.Core()
        model = core.read_model(str(file))
        self.infer_cfg: str | None = _rt_info(model)
        self._models = OpenVinoModels(core, model, threads, side_by_side(threads))
        compiled = self._models.first
        self._request, self._outputs = compiled.create_infer_request(), range(len(compiled.outputs))
        self.inputs = tuple(
            Port(port.any_name, _dimensions(port.partial_shape), port.element_type.to_dtype())
            for port in compiled.inputs
        )

    def run(self, feeds: Feed) -> list[np.ndarray]:
        with self._models.running():
            self._request.infer([feeds[port.name] for port in self.inputs], share_inputs=True)
            return [self._request.get_output_tensor(i).data for i in self._outputs]

    def clone(self) -> OpenVino:
        other = copy.copy(self)
        other._request = self._models.request()
        return other


class PaddleInference:
    """Backend for model.json or model.pdmodel with model.pdiparams.

    Threads take turns. Clones of the predictor would not help: it holds Python's global lock while it runs.
    """

    infer_cfg: str | None = None

    def __init__(self, file: Path, threads: int) -> None:
        parameters = file.with_suffix(".pdiparams")
        if not parameters.is_file():
            raise DeployError(f"{file}: {parameters.name} is not beside it; copy both files")
        from paddle import inference

        ports = read_ports(file)
        config = inference.Config(str(file), str(parameters))
        config.disable_gpu()
        config.disable_glog_info()
        config.enable_mkldnn()
        config.set_cpu_math_library_num_threads(threads)
        if file.suffix == ".pdmodel":  # the format of Paddle 3 comes without this pass
            config.enable_memory_optim()
        self._predictor = inference.create_predictor(config)
        names = self._predictor.get_input_names()
        self.inputs = tuple(ports[name] for name in names)
        self._handles = {name: self._predictor.get_input_handle(name) for name in names}
        self._outputs = [self._predictor.get_output_handle(name) for name in self._predictor.get_output_names()]
        self._turn, self._process = threading.Lock(), os.getpid()

    def run(self, feeds: Feed) -> list[np.ndarray]:
        if self._process != os.getpid():  # forked, perhaps while another thread held the lock
            self._turn, self._process = threading.Lock(), os.getpid()
        with self._turn:
            for name, handle in self._handles.items():
                handle.copy_from_cpu(np.ascontiguousarray(feeds[name]))
            self._predictor.run()
            return [output.copy_to_cpu() for output in self._outputs]

    def clone(self) -> PaddleInference:
        return self


def _sizes(shape: list[Any]) -> tuple[int | None, ...]:
    return tuple(side if isinstance(side, int) and side > 0 else None for side in shape)


def _dimensions(shape: Any) -> tuple[int | None, ...]:
    return tuple(side.get_length() if side.is_static else None for side in shape)


def _rt_info(model: Any) -> str | None:
    """The infer_cfg of an .xml, or of the metadata of an .onnx, which OpenVINO keeps under `framework`."""
    for path in (["infer_cfg"], ["framework", "infer_cfg"]):
        if model.has_rt_info(path):
            value = model.get_rt_info(path)
            return str(value.astype(str) if hasattr(value, "astype") else value)
    return None
