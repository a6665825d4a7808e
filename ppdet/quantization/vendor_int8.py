"""INT8 files of vendors' formats.

ncnn and MNN compute with the integers of our own plans. RKNN and TFLite have quantizers that have to be used: they get
a network of even channels.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ppdet.deploy.backends.base import Backend, Runner, keep_outputs
from ppdet.evaluation.evaluator import Evaluator
from ppdet.export.checksum import save_config_beside
from ppdet.quantization.exported_network import exported_network
from ppdet.quantization.measure import Measured, latencies, megabytes
from ppdet.quantization.mnn_int8 import write_mnn_int8
from ppdet.quantization.ncnn_int8 import write_ncnn_int8
from ppdet.quantization.network import Network
from ppdet.quantization.targets import TARGETS
from ppdet.quantization.vendor_runner import detect_with_networks
from ppdet.quantization.vendor_source import Source, ending_with_network
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session
from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.simulator import Simulator
from ppdet.vendor.toolchain import TOOLCHAINS

logger = logging.getLogger(__name__)

# Names of runtimes by format.
VENDORS = {"rknn": "RKNN simulator", "tflite": "LiteRT", "mnn": "MNN", "ncnn": "ncnn"}


def write_vendor_int8(
    names: Sequence[str],
    source: Source,
    compared: Session | None,
    evaluator: Evaluator,
    tool_env: str | None,
    folder: Path,
) -> list[Measured]:
    """Write model_int8.* of vendors' formats to `folder`; return what the float and the INT8 file of each give.

    Args:
        names: the formats, some of `VENDORS`.
        source: what the files are made of.
        compared: the run of the float model; None: the same.
        evaluator: the images that the files are measured on.
        tool_env: folder of the environment of the converters; None: this one.
        folder: see above.

    Raises:
        UserError: a converter fails.
    """
    before = source.network if compared is None else exported_network(ending_with_network(compared, names))
    return [each for name in names for each in _write_and_measure(name, source, before, evaluator, tool_env, folder)]


def _write_and_measure(
    name: str, source: Source, before: Network, evaluator: Evaluator, tool_env: str | None, folder: Path
) -> list[Measured]:
    """Write the INT8 file of a format, and for the comparison the float file of the network `before`."""
    import onnx

    chain = TOOLCHAINS[name]
    plain, int8 = (f"{kind}{chain.suffix}" for kind in ("model", "model_int8"))
    with temporary_folder() as temp, ExitStack() as stack:
        jobs = {
            plain: Conversion(temp / f"{plain}.onnx", temp / plain, False, tool_env),
            int8: Conversion(temp / f"{int8}.onnx", folder / int8, False, tool_env, source.images),
        }
        logger.info("%s: %s is being written", name, plain)
        onnx.save(before.model, str(jobs[plain].source))
        chain.convert(jobs[plain])
        logger.info("%s: %s is being written", name, int8)
        write_int8(name, source, jobs[int8])
        save_config_beside(folder / int8, source.config)
        models, timed = dict[str, Backend](), dict[str, Runner]()
        for file, job in jobs.items():
            models[file] = loaded = chain.load(job, cpu_threads())
            if isinstance(loaded, Simulator):
                stack.callback(loaded.close)
            else:
                timed[file] = keep_outputs(chain.load(job, 1).run)
        found = detect_with_networks(evaluator, source, models)
        times, sizes = latencies(timed, source.feeds[0]), {file: megabytes(job.target) for file, job in jobs.items()}
        return [Measured(file, VENDORS[name], sizes[file], times.get(file), found[file]) for file in models]


def write_int8(name: str, source: Source, job: Conversion) -> None:
    """Write the INT8 file `job.target` of the format `name`.

    Raises:
        UserError: the converter fails.
    """
    import onnx

    rules = TARGETS[name]
    if source.trained_plan is not None and source.trained_plan.rules != rules:
        logger.info(
            "%s: the weights were trained in INT8 by other rules; its own ranges are found by calibration", name
        )
    if name == "ncnn":
        write_ncnn_int8(source.network, source.plan(rules), job)
    elif name == "mnn":
        write_mnn_int8(source.even(rules.gate).model, source.even_plan(rules), job)
    else:
        onnx.save(source.even(rules.gate).model, str(job.source))
        TOOLCHAINS[name].convert(job)
