"""Lends things that one thread at a time may use."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """Lends an item to each caller; more items are made while all are lent, and at `most` callers wait.

    Args:
        first: the item that is there.
        more: makes another one.
        most: the number of items at most.
    """

    def __init__(self, first: T, more: Callable[[], T], most: int) -> None:
        self._more, self._most, self._process = more, most, os.getpid()
        self._free, self._places = deque([first]), threading.Semaphore(most)

    @contextmanager
    def lend(self) -> Iterator[T]:
        """Context in which the caller alone has an item."""
        if self._process != os.getpid():  # forked: those who have the other items are not in this process
            self._places, self._process = threading.Semaphore(self._most), os.getpid()
        with self._places:
            item = self._take()
            try:
                yield item
            finally:
                self._free.append(item)

    def _take(self) -> T:
        try:
            return self._free.pop()  # the last one returned, whose memory is still in the processor's cache
        except IndexError:
            return self._more()
