"""The machine that a config is made for, as far as it is known without Paddle."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata

from ppdet.deploy.cpus import allowed_cores

_GUESS = 8.0  # GB, if the system does not tell
_QUERY = ("--query-gpu=memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Machine:
    """The machine of a training.

    Attributes:
        has_card: whether it runs on a card, else on the CPU.
        memory: GB of the card, or of the machine.
        cores: processor cores for this process.
    """

    has_card: bool
    memory: float
    cores: int

    def __str__(self) -> str:
        return f"a card of {self.memory:.0f} GB" if self.has_card else f"a CPU with {self.cores} cores"


def find_machine() -> Machine:
    """This machine. A card counts if the Paddle that is installed can use it."""
    card = _card_memory()
    return Machine(card is not None, card or _memory(), max(1, int(allowed_cores())))


def smallest_card(listed: str) -> float | None:
    """GB of the smallest card from nvidia-smi's list, a line with MiB for each; None if it lists none."""
    sizes = [int(line) for line in listed.split() if line.isdecimal()]
    return min(sizes) / 1024 if sizes else None


def _card_memory() -> float | None:
    """GB of the smallest NVIDIA card; None if there is none, or a Paddle for CPUs."""
    program = shutil.which("nvidia-smi")
    try:
        metadata.distribution("paddlepaddle-gpu")
    except metadata.PackageNotFoundError:
        return None
    if program is None:
        return None
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run([program, *_QUERY], capture_output=True, text=True, timeout=30, check=True)
        return smallest_card(done.stdout)
    return None


def _memory() -> float:
    with suppress(AttributeError, ValueError, OSError):  # Windows
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return _GUESS
