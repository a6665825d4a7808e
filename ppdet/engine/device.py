"""Devices: the only file that knows which kinds there are and what each can do."""

from __future__ import annotations

import logging
import resource
import sys

import paddle

from ppdet.core.errors import UserError
from ppdet.core.settings import Settings

logger = logging.getLogger(__name__)

_SWITCHES = ("xpu", "mlu", "npu")  # published `use_*` keys besides use_gpu


def available_devices() -> list[str]:
    """Device strings that `paddle.device.set_device` accepts here, best first; "cpu" is always last."""
    found = [f"gpu:{i}" for i in range(paddle.device.cuda.device_count())] if paddle.is_compiled_with_cuda() else []
    custom = getattr(paddle.device, "get_available_custom_device", list)() or []
    return [*found, *custom, "cpu"]


def select_device(settings: Settings) -> str:
    """Choose the device that the config asks for, make it Paddle's default, and return its kind ("cpu", "gpu", …).

    `device: auto` takes the first of `available_devices` that the `use_*` keys allow.
    """
    devices = available_devices()
    wanted = settings.device
    if wanted == "auto":
        wanted = next((kind for kind in _SWITCHES if getattr(settings, f"use_{kind}")), "auto")
    if wanted == "auto":
        chosen = devices[0] if settings.use_gpu else "cpu"
        if settings.use_gpu and chosen == "cpu":
            logger.info("device: no accelerator found, running on the CPU")
    else:
        matching = [d for d in devices if wanted in (d, d.split(":")[0])]
        if not matching:
            raise UserError(f"device: {wanted!r} is not there; available: {', '.join(devices)}")
        chosen = wanted
    kind = chosen.split(":")[0]
    # the kind alone lets Paddle pick the card that the launcher gave to this rank
    paddle.set_device(kind if settings.device == "auto" else chosen)
    return kind


def supports_amp(kind: str) -> bool:
    """Whether mixed precision (float16) runs on this kind of device."""
    return kind != "cpu" and bool(paddle.amp.is_float16_supported())


def supports_sync_bn(kind: str) -> bool:
    """Whether norm statistics can be shared over ranks; Paddle has no such CPU kernel."""
    return kind == "gpu"


def peak_memory_mb(kind: str) -> float:
    """Peak memory in MB: the device's allocations on a GPU, the resident set of this process elsewhere."""
    if kind == "gpu":
        return paddle.device.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux, bytes on macOS
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
