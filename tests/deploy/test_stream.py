from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from ppdet.deploy.stream import map_ahead


def stream_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ppdet-stream")]


def test_results_come_in_the_order_of_the_items():
    """Although the first is ready last: it waits for the second."""
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(30)
        if item == 1:
            second_is_done.set()
        return item * item

    assert list(map_ahead(work, range(20), 2)) == [i * i for i in range(20)]
    assert list(map_ahead(work, [], 2)) == []


def test_an_endless_source_is_read_a_few_items_ahead():
    source, taken = count(), 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in source:
            taken = item + 1
            yield item

    results = map_ahead(lambda item: item, items(), 3)
    for i in range(50):
        assert next(results) == i
        assert taken - i <= 6
    results.close()
    assert not stream_threads()


def test_an_error_of_an_item_comes_at_its_place_and_ends_the_threads():
    results = map_ahead(lambda item: 10 // (3 - item), range(100), 2)
    assert [next(results) for _ in range(3)] == [3, 5, 10]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not stream_threads()
    assert list(results) == []


def test_an_error_of_the_source_comes_after_the_items_before_it():
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("the camera is gone")

    results = map_ahead(str, items(), 4)
    assert [next(results) for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(OSError, match="the camera is gone"):
        next(results)
    assert not stream_threads()


def test_work_that_has_not_begun_when_the_stream_is_closed_is_not_done():
    begun, go_on, done = threading.Event(), threading.Event(), list[int]()

    def work(item: int) -> int:
        if item == 1:
            begun.set()
            assert go_on.wait(30)
        done.append(item)
        return item

    results = map_ahead(work, count(), 1)
    assert next(results) == 0
    assert begun.wait(30)
    threading.Timer(0.05, go_on.set).start()  # `close` waits for the item that has begun
    results.close()
    assert done == [0, 1]
    assert not stream_threads()


def test_no_thread_before_the_first_item_is_asked_for():
    before = stream_threads()
    map_ahead(str, range(3), 2)
    assert stream_threads() == before
