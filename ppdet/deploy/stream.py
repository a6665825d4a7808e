"""Does the same work on a sequence in several threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """The results of `work`, in the order of `items`, each computed in one of `workers` threads.

    `items` are taken in the caller's thread, at most 2 * `workers` ahead of what the caller has got. An error of
    `items` or of an item's `work` is raised at its place. However the iteration ends, the threads end with it, after
    the calls of `work` that have begun.
    """
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="ppdet-stream") as pool:
        try:
            for future in _submitted(pool, work, items):
                pending.append(future)
                if len(pending) == 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _submitted(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T]) -> Iterator[Future[R]]:
    """A Future for each item, and one more that raises the error of `items`, if there is one."""
    try:
        for item in items:
            yield pool.submit(work, item)
    except Exception as error:
        failed: Future[R] = Future()
        failed.set_exception(error)
        yield failed
