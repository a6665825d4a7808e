"""The doctor's self-tests: a few seconds of work with a known result."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as FuturesTimeout  # Python 3.10: not the builtin one

import numpy as np
import paddle

from ppdet.core.settings import Settings
from ppdet.runtime.device import available_devices, launcher_environment, select_device
from ppdet.utils.streams import Stream, generator

_SIZES = (128, 256, 512, 1024)  # of the matrices
_GROWTH = 2**3  # of the time of a product from one size to the next
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
    devices = _two_devices(available_devices())
    environments = [launcher_environment(device) for device in devices]
    what = f"{environments[0]['PADDLE_DISTRI_BACKEND']} on {' and '.join(dict.fromkeys(devices))}"
    start = time.perf_counter()
    ends = [f"127.0.0.1:{port}" for port in _free_ports(len(devices))]
    ranks = [_start_rank(rank, ends, program, environment) for rank, environment in enumerate(environments)]
    try:
        _wait_for_both(ranks, timeout)
    except RuntimeError as error:
        raise RuntimeError(f"{what}: {error}") from None
    return [f"2 processes through {what}: {time.perf_counter() - start:.1f} s with their start"]


def _two_devices(devices: Sequence[str]) -> list[str]:
    """The two devices for `all_reduce`, of all `devices`, best first."""
    kind = devices[0].split(":")[0]
    cards = [device for device in devices if device.startswith(f"{kind}:")]
    return cards[:2] if len(cards) > 1 else ["cpu", "cpu"]


def _wait_for_both(ranks: Sequence[subprocess.Popen[str]], timeout: float) -> None:
    """Wait for both processes, and end those that are left. Raises RuntimeError about the first one that fails."""
    with ThreadPoolExecutor(len(ranks)) as pool:
        outputs = {pool.submit(process.communicate): rank for rank, process in enumerate(ranks)}
        try:
            for output in as_completed(outputs, timeout):
                rank, (_, errors) = outputs[output], output.result()
                if status := ranks[rank].returncode:
                    last = (errors.strip() or "no message").splitlines()[-1]
                    raise RuntimeError(f"process {rank} of 2 ended with status {status}: {last}")
        except FuturesTimeout:
            remedy = "is 127.0.0.1 blocked? NCCL_DEBUG=INFO logs what cards do"
            raise RuntimeError(f"2 processes did not finish in {timeout:g} s; {remedy}") from None
        finally:
            for process in ranks:
                process.kill()


def _start_rank(rank: int, ends: list[str], program: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start `program` as Paddle's launcher starts one of the processes at `ends`, with the device's `environment`."""
    environ = {key: value for key, value in os.environ.items() if key not in ("MASTER_ADDR", "MASTER_PORT")}
    environ |= {
        "PADDLE_TRAINERS_NUM": str(len(ends)),
        "PADDLE_TRAINER_ENDPOINTS": ",".join(ends),
        "PADDLE_MASTER": ends[0],
        "OMP_NUM_THREADS": "1",
        "PADDLE_TRAINER_ID": str(rank),
        "PADDLE_CURRENT_ENDPOINT": ends[rank],
    }
    command = [sys.executable, "-c", program]
    environ |= environment
    return subprocess.Popen(command, env=environ, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _free_ports(count: int) -> list[int]:
    """Returns ports of 127.0.0.1 that are free."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
