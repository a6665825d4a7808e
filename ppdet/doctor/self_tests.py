"""The doctor's self-tests: a few seconds of work with a known result."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
import paddle

from ppdet.core.settings import Settings
from ppdet.runtime.device import available_devices, launcher_environment, select_device
from ppdet.runtime.local_processes import run_processes
from ppdet.utils.streams import Stream, generator

_SIZES = (128, 256, 512, 1024)  # of the matrices
_GROWTH = 2**3  # of the time of a product from one size to the next
_HINT = "NCCL_DEBUG=INFO logs what cards do; see docs/distributed.md"
_RANK = """
import paddle, paddle.distributed as dist
dist.init_parallel_env()
x = paddle.full([1 << 20], dist.get_rank() + 1.0)
dist.all_reduce(x)
assert float(x.min()) == float(x.max()) == 3.0, f"1 + 2 gave {float(x.min())}"
"""


def matmul(seconds: float = 1.0) -> list[str]:
    """Multiply matrices on the default device, check the products, and report the speed.

    The matrices are the largest whose product takes less than `seconds`, judged by the time of smaller ones: a device
    with plain kernels would need minutes for what others do in a millisecond.

    Raises:
        RuntimeError: a product is wrong.
    """
    kind = select_device(Settings(architecture="PicoDet", epoch=1, device=available_devices()[0]))
    for size in _SIZES:
        left, right, error = _checked_matrices(kind, size)
        once = _seconds_of_products(left, right, 1)
        if _GROWTH * once > seconds:
            break
    count, elapsed = 1, once
    while elapsed < seconds / 2:
        count *= 2
        elapsed = _seconds_of_products(left, right, count)
    speed = count * 2 * size**3 / elapsed / 1e9
    return [f"{kind}: {speed:.3g} GFLOP/s in float32, {size} x {size}, relative error {error:.1g}"]


def _checked_matrices(kind: str, size: int) -> tuple[paddle.Tensor, paddle.Tensor, float]:
    """Two random matrices on the device, and the relative error of their product."""
    rng = generator(Stream.DOCTOR)
    a, b = (rng.standard_normal((size, size), np.float32) for _ in range(2))
    left, right = paddle.to_tensor(a), paddle.to_tensor(b)
    product = paddle.matmul(left, right).numpy()
    error = float(np.abs(product - a @ b).max() / np.abs(product).max())
    if not error < 0.01:  # cards may round to 10 bits (TF32)
        raise RuntimeError(f"matmul on {kind} is off by {error:.2g}")
    return left, right, error


def _seconds_of_products(left: paddle.Tensor, right: paddle.Tensor, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        result = paddle.matmul(left, right)
    result.numpy()  # waits for the device
    return time.perf_counter() - start


def all_reduce(timeout: float = 60.0, program: str = _RANK) -> list[str]:
    """Add two numbers over two processes, each on a card of its own if there are two, else both on the CPU.

    Raises:
        RuntimeError: a process failed, or they did not finish in `timeout` seconds.
    """
    devices = two_devices(available_devices())
    environments = [{"OMP_NUM_THREADS": "1", **launcher_environment(device)} for device in devices]
    what = f"{environments[0]['PADDLE_DISTRI_BACKEND']} on {' and '.join(dict.fromkeys(devices))}"
    start = time.perf_counter()
    try:
        run_processes([sys.executable, "-c", program], environments, timeout)
    except RuntimeError as error:
        raise RuntimeError(f"{what}: {error}; {_HINT}") from None
    return [f"2 processes through {what}: {time.perf_counter() - start:.1f} s with their start"]


def two_devices(devices: Sequence[str]) -> list[str]:
    """The two devices for `all_reduce`, of all `devices`, best first."""
    kind = devices[0].split(":")[0]
    cards = [device for device in devices if device.startswith(f"{kind}:")]
    return cards[:2] if len(cards) > 1 else ["cpu", "cpu"]
