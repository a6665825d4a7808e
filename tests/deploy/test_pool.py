from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from ppdet.deploy.pool import Pool


def make(most: int) -> Pool[int]:
    """Lends 0; then 1, 2, …, as they are made."""
    numbers = count(1)
    return Pool(0, lambda: next(numbers), most)


def test_an_item_is_made_only_while_all_are_lent():
    pool = make(3)
    for _ in range(3):
        with pool.lend() as item:
            assert item == 0
    with pool.lend() as first, pool.lend() as second:
        assert (first, second) == (0, 1)
    with pool.lend() as again:
        assert again == 0  # the last one returned


def test_more_callers_than_items_wait():
    pool, all_in, users = make(3), threading.Barrier(3, timeout=30), list[int]()

    def work(_: int) -> int:
        with pool.lend() as item:
            assert item not in users
            users.append(item)
            all_in.wait()  # three are there at the same time
            assert len(users) == len(set(users)) <= 3
            all_in.wait()
            users.remove(item)
            return item

    with ThreadPoolExecutor(9) as threads:
        assert set(threads.map(work, range(9))) == {0, 1, 2}


def test_an_item_comes_back_after_an_error():
    pool = make(1)
    for _ in range(2):
        with pytest.raises(KeyError), pool.lend():
            raise KeyError
    with pool.lend() as item:
        assert item == 0


def test_a_place_comes_back_if_no_item_can_be_made():
    pool = Pool(0, lambda: 1 // 0, 2)
    with pool.lend():
        for _ in range(3):
            with pytest.raises(ZeroDivisionError), pool.lend():
                pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_gets_what_threads_of_its_parent_have():
    pool = make(1)
    with pool.lend():
        child = os.fork()
        if child == 0:
            try:
                with pool.lend() as item:
                    os._exit(item)  # 1: a new one
            finally:
                os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
