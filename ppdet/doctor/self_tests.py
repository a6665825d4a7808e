"""The doctor's self-tests: a few seconds of work with a known result."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import numpy as np
import paddle

from ppdet.core.settings import Settings
from ppdet.runtime.device import available_devices, select_device
from ppdet.utils.streams import Stream, generator

_RANK = """
import paddle, paddle.distributed as dist
dist.init_parallel_env()
x = paddle.full([1 << 20], dist.get_rank() + 1.0)
dist.all_reduce(x)
assert float(x.min()) == float(x.max()) == 3.0, f"1 + 2 gave {float(x.min())}"
"""


def matmul(size: int = 1024, seconds: float = 1.0) -> list[str]:
    """Multiply matrices on the default device for a while, check the product, and report the speed.

    Raises:
        RuntimeError: the product is wrong.
    """
    kind = select_device(Settings(architecture="PicoDet", epoch=1, device=available_devices()[0]))
    rng = generator(Stream.DOCTOR)
    a, b = (rng.standard_normal((size, size), np.float32) for _ in range(2))
    left, right = paddle.to_tensor(a), paddle.to_tensor(b)
    product = paddle.matmul(left, right).numpy()  # also warms up
    error = float(np.abs(product - a @ b).max() / np.abs(product).max())
    if not error < 0.01:  # cards may round to 10 bits (TF32)
        raise RuntimeError(f"matmul on {kind} is off by {error:.2g}")
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(4):
            result = paddle.matmul(left, right)
        result.numpy()  # waits for the device
        count += 4
    speed = count * 2 * size**3 / (time.perf_counter() - start) / 1e9
    return [f"{kind}: {speed:.0f} GFLOP/s in float32, relative error {error:.1g}"]


def all_reduce(timeout: float = 60.0, program: str = _RANK) -> list[str]:
    """Add two numbers over two processes of this machine's CPU, through gloo.

    Raises:
        RuntimeError: a process failed, or they did not finish in `timeout` seconds.
    """
    start = time.perf_counter()
    ends = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    ranks = [_start_rank(rank, ends, program) for rank in range(len(ends))]
    try:
        for rank, process in enumerate(ranks):
            _, errors = process.communicate(timeout=max(0.0, timeout - (time.perf_counter() - start)))
            if process.returncode:
                last = (errors.strip() or "no message").splitlines()[-1]
                raise RuntimeError(f"process {rank} of 2 ended with status {process.returncode}: {last}")
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"2 processes did not finish in {timeout:g} s; is 127.0.0.1 blocked?") from None
    finally:
        for process in ranks:
            process.kill()
            process.communicate()
    return [f"2 processes through gloo: {time.perf_counter() - start:.1f} s with their start"]


def _start_rank(rank: int, ends: list[str], program: str) -> subprocess.Popen[str]:
    """Start `program` in the environment that Paddle's launcher makes for one of the processes at `ends`."""
    environ = {key: value for key, value in os.environ.items() if key not in ("MASTER_ADDR", "MASTER_PORT")}
    environ |= {
        "PADDLE_TRAINERS_NUM": str(len(ends)),
        "PADDLE_TRAINER_ENDPOINTS": ",".join(ends),
        "PADDLE_MASTER": ends[0],
        "PADDLE_DISTRI_BACKEND": "gloo",
        "OMP_NUM_THREADS": "1",
        "PADDLE_TRAINER_ID": str(rank),
        "PADDLE_CURRENT_ENDPOINT": ends[rank],
    }
    command = [sys.executable, "-c", program]
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
