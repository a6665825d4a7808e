"""Devices: only this module knows which kinds exist and what each one supports.

A kind is "cpu", "gpu" (CUDA builds, Iluvatar's corex wheel among them), "xpu", or the type of a plug-in of Paddle:
"iluvatar_gpu", "npu", … A device is a kind with a card: "gpu:0". float64 never reaches a device, as some lack it.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, Literal

import paddle
from paddle.base import core

from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.runtime.cpu_tuning import use_all_cores
from ppdet.runtime.operator_support import has_kernel

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_SWITCHES = ("xpu", "mlu", "npu")  # published `use_*` keys besides use_gpu


def available_devices() -> list[str]:
    """Returns the devices of this machine, best first, as `paddle.device.set_device` takes them; "cpu" is last."""
    found = [f"gpu:{i}" for i in range(paddle.device.cuda.device_count())] if paddle.is_compiled_with_cuda() else []
    if paddle.is_compiled_with_xpu():
        found += [f"xpu:{i}" for i in range(core.get_xpu_device_count())]  # type: ignore[attr-defined]
    # Paddle leaves the number out if a type has one card
    plugged = [d if ":" in d else f"{d}:0" for d in paddle.device.get_available_custom_device() or []]
    return [*found, *plugged, "cpu"]


def build_kind() -> str:
    """Returns what this Paddle was built for, as in `CPU build with plug-in iluvatar_gpu, commit 76884955`."""
    target = "XPU" if paddle.is_compiled_with_xpu() else "CPU"
    if paddle.is_compiled_with_cuda():
        target = f"CUDA {paddle.version.cuda()}"
    plugins = paddle.device.get_all_custom_device_type() or []
    extra = f" with plug-in {', '.join(plugins)}" if plugins else ""
    return f"{target} build{extra}, commit {paddle.version.commit[:8]}"


def choose_device(settings: Settings, devices: Sequence[str], processes: int = 1) -> str:
    """Returns the argument for `paddle.device.set_device`: a kind, whose card the launcher chooses, or one card.

    Args:
        settings: the run keys; `device: auto` takes the best device that the `use_*` keys allow.
        devices: the devices of this machine, best first.
        processes: number of processes that the launcher started.

    Raises:
        UserError: the device is not there, or is one card for several processes.
    """
    wanted = settings.device
    if wanted == "auto":
        wanted = next((kind for kind in _SWITCHES if getattr(settings, f"use_{kind}")), "auto")
    if wanted == "auto":
        return devices[0].split(":")[0] if settings.use_gpu else "cpu"
    kind = wanted.split(":")[0]
    if wanted not in devices and wanted not in (device.split(":")[0] for device in devices):
        variable = visible_devices_variable(kind)
        hidden = f" ({variable}={os.environ[variable]})" if variable in os.environ else ""
        raise UserError(f"device: {wanted!r} is not there; available: {', '.join(devices)}{hidden}")
    if ":" in wanted and processes > 1:
        raise UserError(f"device: {wanted!r} is one card but the launcher started {processes} processes; set {kind}")
    return wanted


def select_device(settings: Settings) -> str:
    """Make the config's device Paddle's default device and return its kind."""
    processes = int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))
    chosen = choose_device(settings, available_devices(), processes)
    if processes > 1:
        check_backend(chosen, launched_backend(), launched_plugin())
    if chosen == "cpu" and settings.device == "auto" and settings.use_gpu:
        logger.info("device: no accelerator found, running on the CPU")
    paddle.device.set_device(chosen)
    if chosen == "cpu":
        use_all_cores()
    return chosen.split(":")[0]


def collective_backend(kind: str) -> str:
    """Returns the library for Paddle's collectives between devices of this kind."""
    return {"cpu": "gloo", "gpu": "nccl", "xpu": "bkcl"}.get(kind, "xccl")


def launcher_environment(device: str) -> dict[str, str]:
    """Returns what Paddle's launcher sets for a process on this device: its card and the library for collectives.

    Paddle 2.6's own launcher leaves out PADDLE_XCCL_BACKEND, without which plug-ins have no collectives.
    """
    kind, _, card = device.partition(":")
    backend = collective_backend(kind)
    named = {"PADDLE_XCCL_BACKEND": kind} if backend == "xccl" else {}
    chosen = {f"FLAGS_selected_{kind}s": card} if card else {}
    return {"PADDLE_DISTRI_BACKEND": backend, **named, **chosen}


def launched_plugin() -> str:
    """Returns the type of the plug-in whose cards Paddle's launcher gives out; empty if there is none.

    Paddle 2.6 takes it from PADDLE_XCCL_BACKEND, later versions look for plug-ins themselves.
    """
    return str(paddle.distributed.ParallelEnv().device_type)


def launched_backend() -> str:
    """Returns the library for the collectives of the processes that Paddle's launcher started.

    The launcher names none if CUDA_VISIBLE_DEVICES lists cards that a CPU build cannot see.
    """
    if (named := os.environ.get("PADDLE_DISTRI_BACKEND", "auto")) != "auto":
        return named
    kind = available_devices()[0].split(":")[0]
    backend = collective_backend(kind)
    if backend == "xccl" and launched_plugin() != kind:
        return "gloo"  # the launcher has given out none of these cards; check_backend tells the user
    return backend


def check_backend(device: str, backend: str, plugin: str) -> None:
    """Check that the launched processes can talk to each other.

    Args:
        device: the device of this process.
        backend: the library for the collectives.
        plugin: the type of the plug-in whose cards the launcher gives out, or empty.

    Raises:
        UserError: the library does not connect devices like `device`, or the launcher has not given out its cards.
    """
    if device == "cpu" and backend != "gloo":
        # with a plug-in the launcher overrides PADDLE_DISTRI_BACKEND
        remedy = "CUSTOM_DEVICE_ROOT= (hides the plug-in)" if backend == "xccl" else "PADDLE_DISTRI_BACKEND=gloo"
        raise UserError(
            f"device: 'cpu', but the launcher started these processes for cards ({backend}); "
            f"put {remedy} before its command"
        )
    kind = device.split(":")[0]
    if collective_backend(kind) == "xccl" and plugin != kind:
        raise UserError(
            f"device: {device!r}, but the launcher did not look for such cards; "
            f"export PADDLE_XCCL_BACKEND={kind} before its command"
        )
    if device != "cpu" and backend == "gloo":
        raise UserError(f"device: {device!r}, but PADDLE_DISTRI_BACKEND=gloo connects CPUs only; unset it, or set cpu")


def visible_devices_variable(kind: str) -> str:
    """Returns the environment variable with the cards of this kind that a process, or Paddle's launcher, may use."""
    return "CUDA_VISIBLE_DEVICES" if kind == "gpu" else f"{kind.upper()}_VISIBLE_DEVICES"


def amp_dtype(kind: str) -> Literal["float16", "bfloat16"] | None:
    """Returns the type for mixed precision on this kind of device; None if mixed precision gains nothing there."""
    if kind == "cpu":  # training on CPUs stays in float32, even if Paddle supports bfloat16
        return None
    try:
        if paddle.amp.is_float16_supported():
            return "float16"
        return "bfloat16" if paddle.amp.is_bfloat16_supported() else None
    except TypeError:  # Paddle 2.6 cannot be asked for plug-ins, and has no bfloat16 for them
        return "float16" if has_kernel("conv2d", kind, "float16") else None


def supports_sync_bn(kind: str) -> bool:
    """Whether norm statistics can be shared over ranks; Paddle has no such CPU kernel."""
    return kind == "gpu" or all(has_kernel(name, kind) for name in ("sync_batch_norm", "sync_batch_norm_grad"))


def peak_memory_mb(kind: str) -> float:
    """Returns the peak memory in MB: the device's allocations if Paddle counts them, else the process's resident set.

    NaN if neither is counted.
    """
    counter = paddle.device.cuda if kind == "gpu" else paddle.device
    if kind != "cpu" and hasattr(counter, "max_memory_allocated"):
        try:
            return float(counter.max_memory_allocated()) / 2**20
        except (ValueError, RuntimeError):  # this build does not count for this kind
            pass
    if resource is None:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux, bytes on macOS
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def held_memory(kind: str) -> int | None:
    """Returns the bytes of the device that this process holds, for tensors or in reserve; None if nobody counts them.

    After `release_memory` the reserve grows with the largest need, so that what is held is what was needed.
    """
    counter = paddle.device.cuda if kind == "gpu" else paddle.device
    try:
        return int(counter.memory_reserved(paddle.device.get_device()))
    except (AttributeError, ValueError, RuntimeError):  # Paddle 2.6 does not count for plug-ins
        return None


def free_memory(kind: str) -> int | None:
    """Returns the bytes of the device that no process holds; None if nobody tells. Call it after work on the device.

    If only the total is known, the memory of other processes counts as free, and a warning says so.
    """
    device, held = paddle.device.get_device(), held_memory(kind)
    if (free := _free_by_driver()) is not None or held is None:
        return free
    try:
        total = int(_properties(device).total_memory)
    except Exception:  # a plug-in may raise anything
        return None
    if not total:  # a plug-in without properties
        return None
    logger.warning("device: %s does not tell what other processes hold of its memory, which counts as free", device)
    return total - held


def _free_by_driver() -> int | None:
    """The free bytes of the card that this thread uses, as CUDA's driver counts them; None without such a card.

    Paddle 2.6 cannot be asked. Drivers that are made like CUDA's, such as Iluvatar's, have the same function.
    """
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        status = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
    except (OSError, AttributeError):
        return None
    return None if status else free.value


def release_memory(kind: str) -> None:
    """Give back what this process holds of the device in reserve, and begin a new peak (not in Paddle 2.6)."""
    gc.collect()  # layers that refer to each other still have their tensors
    counter = paddle.device.cuda if kind == "gpu" else paddle.device
    if hasattr(counter, "empty_cache"):
        counter.empty_cache()
    if hasattr(counter, "reset_max_memory_allocated"):
        counter.reset_max_memory_allocated(paddle.device.get_device())


def synchronize(kind: str) -> None:
    """Wait until the device has done all that it was given. On a CPU nothing is left to wait for."""
    if kind != "cpu":
        paddle.device.synchronize()


def describe_device(device: str) -> str:
    """Returns a description as in `gpu:0: NVIDIA H200, 140 GB`, as far as Paddle knows."""
    if device == "cpu":
        return device
    try:
        properties = _properties(device)
        if not properties.name:  # a plug-in without properties
            return f"{device}: no description"
        return f"{device}: {properties.name}, {properties.total_memory / 2**30:.0f} GB"
    except Exception as error:  # a plug-in may raise anything; the description is not needed
        return f"{device}: no description ({type(error).__name__})"


def _properties(device: str) -> Any:
    """The properties of a device that Paddle knows: `name`, `total_memory` in bytes, …; a plug-in's may be empty."""
    kind, _, card = device.partition(":")
    if kind == "gpu":
        return paddle.device.cuda.get_device_properties(int(card))
    return paddle.device.get_device_properties(device)
