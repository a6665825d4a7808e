"""A card for tests of memory: its memory is what Paddle's allocator gives out on the CPU."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace

import pytest
from paddle.base import core

from ppdet.session import Session
from ppdet.training import auto_batch

NAME = "card"  # a kind of device that has no mixed precision and no compiled layers
CAN_RESET = hasattr(core, "host_memory_stat_reset_peak_value")  # Paddle 2.6 keeps the peak of the whole process


@dataclass
class Card:
    """Stands for the device of `session`.

    Attributes:
        size: bytes.
        used: the bytes of them that other processes hold.
    """

    size: float
    used: float = 0
    _resident: int = 0  # bytes of this process when nothing was in reserve

    def install(self, patch: pytest.MonkeyPatch) -> Card:
        """Answers the questions of `auto_batch` instead of Paddle's device."""
        for name in ("held_memory", "free_memory", "release_memory"):
            patch.setattr(auto_batch, name, getattr(self, name))
        patch.setattr(auto_batch, "synchronize", lambda kind: None)
        return self

    def held_memory(self, kind: str) -> int:
        assert kind == NAME
        # where the peak cannot be reset, it is that of earlier tests
        read = core.host_memory_stat_peak_value if CAN_RESET else core.host_memory_stat_current_value
        return int(read("Allocated", 0)) - self._resident

    def free_memory(self, kind: str) -> int:
        return int(self.size - self.used) - self.held_memory(kind)

    def release_memory(self, kind: str) -> None:
        gc.collect()
        if CAN_RESET:
            core.host_memory_stat_reset_peak_value("Allocated", 0)
        self._resident = int(core.host_memory_stat_current_value("Allocated", 0))


def on_card(session: Session) -> Session:
    """The session, whose parts are on the CPU, as if it had a card."""
    return replace(session, device=NAME)
