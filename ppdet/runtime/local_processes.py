"""Starts processes of this machine as Paddle's launcher does, waits for them with a time limit, and ends them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as FuturesTimeout  # Python 3.10: not the builtin one

from ppdet.core.errors import telling_line

_OF_OTHER_JOBS = ("MASTER_ADDR", "MASTER_PORT")


def run_processes(command: Sequence[str], environments: Sequence[Mapping[str, str]], timeout: float) -> None:
    """Run `command` once for each of `environments`, all at the same time, as the ranks of one job.

    The first process that fails ends all of them.

    Args:
        command: the program and its arguments.
        environments: what each process gets besides this one's environment and the variables of a rank.
        timeout: seconds.

    Raises:
        RuntimeError: names the process that failed and its error, or the time that was too short.
    """
    ends = [f"127.0.0.1:{port}" for port in _free_ports(len(environments))]
    processes = [_start(command, rank, ends, environment) for rank, environment in enumerate(environments)]
    with ThreadPoolExecutor(len(processes)) as pool:
        outputs = {pool.submit(process.communicate): rank for rank, process in enumerate(processes)}
        try:
            for output in as_completed(outputs, timeout):
                rank, (_, errors) = outputs[output], output.result()
                if status := processes[rank].returncode:
                    raise RuntimeError(f"process {rank} of {len(ends)} {_describe_end(status, errors)}")
        except FuturesTimeout:
            count = f"{len(ends)} processes" if len(ends) > 1 else "the process"
            raise RuntimeError(f"{count} did not finish in {timeout:g} s") from None
        finally:
            for process in processes:
                process.kill()


def _start(
    command: Sequence[str], rank: int, ends: Sequence[str], environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    environ = {key: value for key, value in os.environ.items() if key not in _OF_OTHER_JOBS}
    environ |= {
        "PADDLE_TRAINERS_NUM": str(len(ends)),
        "PADDLE_LOCAL_SIZE": str(len(ends)),
        "PADDLE_TRAINER_ENDPOINTS": ",".join(ends),
        "PADDLE_MASTER": ends[0],
        "PADDLE_TRAINER_ID": str(rank),
        "PADDLE_CURRENT_ENDPOINT": ends[rank],
        **environment,
    }
    # libraries and plug-ins write to stdout whatever they like
    return subprocess.Popen(command, env=environ, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _describe_end(status: int, errors: str) -> str:
    """How a process ended. Its stderr says nothing about a signal that killed it."""
    if status < 0:
        return f"was ended by signal {-status} ({signal.strsignal(-status)})"
    return f"ended with status {status}: {telling_line(errors)}"


def _free_ports(count: int) -> list[int]:
    """Returns ports of 127.0.0.1 that are free."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
