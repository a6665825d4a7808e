"""What an update of several ranks asks of plug-in devices, in exact numbers, and that the ranks stay equal."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import pytest

from tests.device.counted_ranks import count_ranks
from tests.device.traffic import Traffic
from tests.support.datasets import draw_scene, write_coco
from tests.support.tiny import make_run, write_config

UPDATES, LOG_EVERY = 20, 5
BUCKETS = 2  # the last all-reduce of gradients is small, and the rest fits into one
DIVISOR_BYTES = 8  # two float32

Rank = dict[str, Any]


def train(plugin: Path, folder: Path, ranks: int) -> list[Rank]:
    """Trains for UPDATES updates of one image on each rank, of 32 or 64 pixels."""
    scenes = map(draw_scene, range(UPDATES * ranks))
    write_coco(folder / "boxes.json", folder / "images", scenes, first_category=1)
    config = write_config(folder)
    config.write_text(config.read_text().replace("device: cpu\n", ""))
    overrides = ("epoch=1", "snapshot_epoch=1", f"log_iter={LOG_EVERY}", "TrainReader.batch_size=1")
    return count_ranks(plugin, folder / "ranks", ranks, config, *overrides)


def gradient_sizes(folder: Path) -> list[int]:
    """The number of values of each gradient."""
    parameters = make_run(folder / "tiny.yml", "device=cpu").build_model().parameters()
    return [prod(parameter.shape) for parameter in parameters if not parameter.stop_gradient]


def assert_equal_ranks(ranks: list[Rank]) -> None:
    for rank in ranks:
        assert rank["weights"] == ranks[0]["weights"]
        assert rank["shared_state"] == ranks[0]["shared_state"]
        assert rank["sizes"] == ranks[0]["sizes"]
    assert len({rank["own_state"] for rank in ranks}) == len(ranks)  # the norm statistics of each
    assert len(ranks[0]["sizes"]) == UPDATES
    assert set(ranks[0]["sizes"]) == {32, 64}


def assert_traffic_of_update(update: Traffic, gradients: list[int]) -> None:
    """Each gradient is sent once, in few pieces; nothing waits for another rank or for the device."""
    collectives = {kind: update.count(kind) for kind in ("all_reduce", "broadcast", "all_gather")}
    assert collectives == {"all_reduce": BUCKETS + 1, "broadcast": 0, "all_gather": 0}
    assert update.bytes["all_reduce"] == 4 * sum(gradients) + DIVISOR_BYTES
    # on the device each collective waits for what it sends, and the next operation for the collective
    assert update.count("stream_waits_for_event") == 2 * (BUCKETS + 1)
    waits = ("main_thread_waits", "device_to_host", "wait_for_event", "wait_for_device")
    assert [update.count(kind) for kind in waits] == [0, 0, 0, 0]
    # on plug-ins Paddle copies each gradient into its bucket and back
    assert update.count("device_to_device") == 2 * len(gradients)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def two(plugin: Path, folder: Path) -> list[Rank]:
    return train(plugin, folder, 2)


def test_two_ranks_stay_equal_and_draw_the_same_sizes(two: list[Rank]) -> None:
    assert_equal_ranks(two)


def test_an_update_sends_each_gradient_once_and_waits_for_nobody(two: list[Rank], folder: Path) -> None:
    gradients = gradient_sizes(folder)
    for rank in two:
        updates = rank["traffic"]["update"]
        assert len(updates) == UPDATES - 1 - UPDATES // LOG_EVERY  # without the first, and those with a log line
        for update in updates:
            assert_traffic_of_update(update, gradients)


def test_losses_are_launched_while_their_divisor_is_reduced(two: list[Rank]) -> None:
    (found,) = two[0]["traffic"]["losses beside the divisor"]
    assert not found.counts
    assert found.launches["bce_loss"] == 1
    assert found.launches["log_softmax"] == 1
    assert found.launches["sum"] == 3  # the losses are complete


@pytest.mark.parametrize(
    ("part", "times", "exchanges", "own_reads"),
    [
        ("exchange of stop requests", 1, 1, 0),
        ("log line", UPDATES // LOG_EVERY, 1, 1),  # the numbers; the losses
        ("finiteness check", 1, 1, 1),
    ],
)
def test_an_exchange_is_one_copy_to_the_device_and_one_back(
    two: list[Rank], part: str, times: int, exchanges: int, own_reads: int
) -> None:
    for rank in two:
        assert len(rank["traffic"][part]) == times
        for found in rank["traffic"][part]:
            assert (found.count("all_gather"), found.bytes["all_gather"]) == (exchanges, exchanges * 256)
            assert found.count("host_to_device") == exchanges
            assert found.count("device_to_host") == exchanges + own_reads


def test_weights_and_statistics_are_sent_one_by_one_before_training_and_evaluation(
    two: list[Rank], folder: Path
) -> None:
    state = make_run(folder / "tiny.yml", "device=cpu").build_model().state_dict().values()
    for part in ("start", "broadcast_state"):
        (found,) = two[0]["traffic"][part]
        assert (found.count("broadcast"), found.count("device_to_host")) == (len(state), 0)
        assert found.bytes["broadcast"] == 4 * sum(prod(value.shape) for value in state)


@pytest.mark.slow  # more than a minute on two cores
def test_eight_ranks_stay_equal_and_send_each_gradient_once(plugin: Path, tmp_path: Path) -> None:
    ranks = train(plugin, tmp_path, 8)
    assert_equal_ranks(ranks)
    gradients = gradient_sizes(tmp_path)
    for rank in ranks:
        for update in rank["traffic"]["update"]:
            assert_traffic_of_update(update, gradients)
