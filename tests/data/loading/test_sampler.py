"""Which image goes where: coverage, ranks, resuming."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from ppdet.data.loading.sampler import EpochSampler


def sampler(length: int, batch_size: int, **options: Any) -> EpochSampler:
    defaults = {"shuffle": True, "drop_last": False, "even": True}
    return EpochSampler(length, batch_size, **(defaults | options))


def epoch(of: EpochSampler, number: int = 0, start_step: int = 0) -> list[list[int]]:
    return [[sample.index for sample in batch] for batch in of.batches(number, start_step)]


def test_an_epoch_holds_every_image_once() -> None:
    batches = epoch(sampler(10, 4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(chain(*batches)) == list(range(10))


def test_epochs_differ_and_repeat() -> None:
    assert epoch(sampler(50, 5), 0) != epoch(sampler(50, 5), 1)
    assert epoch(sampler(50, 5), 1) == epoch(sampler(50, 5), 1)
    assert epoch(sampler(50, 5, seed=1), 0) != epoch(sampler(50, 5), 0)
    assert epoch(sampler(5, 5, shuffle=False)) == [[0, 1, 2, 3, 4]]


def test_resuming_in_the_middle_gives_the_rest() -> None:
    assert epoch(sampler(20, 3), 2, start_step=4) == epoch(sampler(20, 3), 2)[4:]


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("length", [12, 13, 17, 23])
def test_training_ranks_have_equal_steps(length: int, drop_last: bool) -> None:
    ranks = [sampler(length, 2, drop_last=drop_last, rank=rank, world_size=3) for rank in range(3)]
    batches = [epoch(rank) for rank in ranks]
    assert {len(rank) for rank in ranks} == {len(own) for own in batches} == {len(batches[0])}
    assert all([len(a) for a in own] == [len(b) for b in batches[0]] for own in batches)
    seen = list(chain(*chain(*batches)))
    if drop_last:
        assert len(seen) == len(set(seen)) == length // 6 * 6
    else:
        assert set(seen) == set(range(length))
        assert len(seen) < length + 3


def test_evaluation_ranks_share_the_images_without_duplicates() -> None:
    ranks = [sampler(11, 2, shuffle=False, even=False, rank=rank, world_size=3) for rank in range(3)]
    seen = list(chain(*chain(*(epoch(rank) for rank in ranks))))
    assert sorted(seen) == list(range(11))
    assert [len(rank) for rank in ranks] == [2, 2, 2]


def test_more_ranks_than_images() -> None:
    assert [len(sampler(2, 4, even=False, shuffle=False, rank=r, world_size=3)) for r in range(3)] == [1, 1, 0]
