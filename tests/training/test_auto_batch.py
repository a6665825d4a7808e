"""The batch that fits the memory of a card: the share that it takes, its limits, and that measuring changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.runtime import distributed
from ppdet.training import auto_batch
from ppdet.training.auto_batch import Need, choose, known_batch, line_through, measured_batch, rounded
from ppdet.training.checkpoint import TrainingPosition
from ppdet.training.loop import fit
from ppdet.training.setup import TrainerParts, build_trainer
from ppdet.training.trial_step import TrialStep, synthetic_batch
from ppdet.utils.weight_files import read_arrays
from tests.support.card import CAN_RESET, NAME, Card, on_card
from tests.support.tiny import make_run

GB, MB = 2**30, 2**20
# Bytes of Paddle's allocator at the peak of steps of picodet_xs_320_coco_lcnet at 416 x 416 with 20 boxes an image, in
# float32 on a CPU with Paddle 3.3.1, by `_bytes_of_step` on a `Card`
MEASURED = {
    1: 150990296,
    2: 274693360,
    4: 540610768,
    8: 1072445584,
    16: 2136115216,
    32: 4263454480,
}
AUTO = "TrainReader.batch_size=auto"
needs_peaks = pytest.mark.skipif(not CAN_RESET, reason="this Paddle cannot begin a new peak of the host's memory")


def curve(images: int) -> float:
    """MEASURED, continued beyond 32 images by its last part."""
    per_image = (MEASURED[32] - MEASURED[16]) / 16
    return (
        MEASURED[32] + per_image * (images - 32)
        if images > 32
        else float(np.interp(images, [*MEASURED], [*MEASURED.values()]))
    )


def a_dataset(images: int, boxes: int = 1) -> Any:
    class Images(SimpleNamespace):
        def __len__(self) -> int:
            return images

    return Images(categories=(), records=[SimpleNamespace(gt_bbox=np.zeros((boxes, 4), np.float32))])


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], float]], list[int]]:
    """Sets the bytes of a step by its images, which run out of memory where that is infinite; returns those asked."""

    def install(size_of: Callable[[int], float]) -> list[int]:
        asked: list[int] = []
        monkeypatch.setattr(auto_batch, "synthetic_batch", lambda images, *_: images)

        def measure(session: object, amp: object, make_batch: Callable[[], int], *_: object) -> int:
            asked.append(make_batch())
            size = size_of(asked[-1])
            if size == float("inf"):
                raise RuntimeError("ResourceExhaustedError: Out of memory error on GPU 0.")
            return int(size)

        monkeypatch.setattr(auto_batch, "_bytes_of_step", measure)
        return asked

    return install


def chosen(tiny: Path, dataset: Any, *overrides: str) -> int:
    session = on_card(make_run(tiny, AUTO, *overrides))
    return measured_batch(session, session.builder.build("TrainReader"), dataset)


@pytest.mark.parametrize(("gigabytes", "batch"), [(4, 26), (8, 52), (40, 272)])
def test_85_percent_of_a_card_are_taken(
    gigabytes: int, batch: int, tiny: Path, monkeypatch: pytest.MonkeyPatch, steps: Any, caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    Card(gigabytes * GB).install(monkeypatch).release_memory(NAME)
    assert steps(curve) == []
    assert chosen(tiny, a_dataset(10**5)) == batch
    assert 0.75 <= curve(batch) / (gigabytes * GB) <= 0.95
    [line] = [message for message in caplog.messages if "auto" in message]
    assert line.startswith(
        f"TrainReader.batch_size: auto is {batch}; a step at 64 x 64 takes 1.99 GB with 16, 3.97 GB "
    )
    assert f"(0.01 GB + 126.8 MB an image), and of {gigabytes}.00 GB that are free 85 % may be used" in line


def test_memory_of_other_processes_counts_as_used(tiny: Path, monkeypatch: pytest.MonkeyPatch, steps: Any) -> None:
    Card(40 * GB, used=36 * GB).install(monkeypatch).release_memory(NAME)
    steps(curve)
    assert chosen(tiny, a_dataset(10**5)) == 26


@pytest.mark.parametrize(
    ("images", "accumulate", "batch"), [(100, 1, 100), (100, 4, 25), (35, 1, 35), (3, 1, 3), (1, 1, 1), (0, 1, 1)]
)
def test_at_most_the_images_of_an_update(
    images: int, accumulate: int, batch: int, tiny: Path, monkeypatch: pytest.MonkeyPatch, steps: Any
) -> None:
    Card(40 * GB).install(monkeypatch).release_memory(NAME)
    asked = steps(curve)
    assert chosen(tiny, a_dataset(images), f"accumulate_steps={accumulate}") == batch
    assert max(asked) <= max(1, images // accumulate)


@pytest.mark.parametrize(("fits", "asked", "batch"), [(20, [16, 32, 8, 16], 18), (5, [16, 8, 4, 8, 2, 4], 5)])
def test_smaller_steps_are_measured_if_memory_runs_out(
    fits: int, asked: list[int], batch: int, tiny: Path, monkeypatch: pytest.MonkeyPatch, steps: Any
) -> None:
    Card((fits + 2) * 100 * MB).install(monkeypatch).release_memory(NAME)
    found = steps(lambda images: images * 100 * MB if images <= fits else float("inf"))
    assert chosen(tiny, a_dataset(10**5)) == batch
    assert found == asked


def test_no_memory_for_one_image(tiny: Path, monkeypatch: pytest.MonkeyPatch, steps: Any) -> None:
    Card(GB).install(monkeypatch).release_memory(NAME)
    steps(lambda images: float("inf"))
    with pytest.raises(UserError, match=r"^batch_size: memory ran out \(ResourceExhaustedError"):
        chosen(tiny, a_dataset(100))
    steps(lambda images: (3 + images) * GB)
    expected = "a step of one image takes 4.00 GB, more than 85% of the 1.00 GB that are free; free memory there"
    with pytest.raises(UserError, match=f"^TrainReader.batch_size: found auto; {expected}"):
        chosen(tiny, a_dataset(100))


def test_other_errors_stay_errors(tiny: Path, monkeypatch: pytest.MonkeyPatch, steps: Any) -> None:
    Card(GB).install(monkeypatch)

    def broken(images: int) -> float:
        raise RuntimeError("no kernel")

    steps(broken)
    with pytest.raises(RuntimeError, match="no kernel"):
        chosen(tiny, a_dataset(100))


@pytest.mark.parametrize(
    ("answer", "message"),
    [("held_memory", "card does not count the memory that it gives"), ("free_memory", "card does not tell how much")],
)
def test_a_device_that_does_not_tell(answer: str, message: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Card(40 * GB).install(monkeypatch)
    monkeypatch.setattr(auto_batch, answer, lambda kind: None)
    with pytest.raises(UserError, match=f"^TrainReader.batch_size: found auto; {message}.*; set a number$"):
        chosen(tiny, a_dataset(2))


def test_a_counter_that_stands_still() -> None:
    with pytest.raises(UserError, match="takes no more memory here than one of 16; set a number$"):
        line_through({16: 5, 32: 5})


def test_the_smallest_of_all_ranks(tiny: Path, monkeypatch: pytest.MonkeyPatch, steps: Any, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    Card(8 * GB).install(monkeypatch).release_memory(NAME)
    steps(curve)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "all_gather_or_raise", lambda own, error: [own, 40])
    assert chosen(tiny, a_dataset(10**5)) == 40
    assert chosen(tiny, a_dataset(60)) == 30  # half of the images are this rank's
    assert "TrainReader.batch_size: 40, the smallest of all ranks" in caplog.messages


def test_an_error_reaches_all_ranks(tiny: Path, monkeypatch: pytest.MonkeyPatch, steps: Any) -> None:
    Card(8 * GB).install(monkeypatch)
    steps(lambda images: float("inf"))
    seen = []

    def gather(own: int, error: UserError | None) -> list[int]:
        seen.append(error)
        raise UserError("of all")

    monkeypatch.setattr(distributed, "all_gather_or_raise", gather)
    with pytest.raises(UserError, match="of all"):
        chosen(tiny, a_dataset(100))
    assert "memory ran out" in str(seen[0])


def test_the_line_and_the_choice() -> None:
    need = line_through({16: 500, 32: 900})
    assert need == Need(fixed=100, per_image=25)
    assert need.images(349) == 9
    assert choose(need, (100 + 25 * 100) / 0.85 + 0.01, most=1000) == 96
    assert choose(need, (100 + 25 * 100) / 0.85 + 0.01, most=97) == 96
    assert choose(need, (100 + 25 * 100) / 0.85 + 0.01, most=95) == 95


@pytest.mark.parametrize(
    ("images", "batch"),
    [(1, 1), (15, 15), (16, 16), (17, 16), (31, 30), (32, 32), (35, 32), (63, 60), (64, 64), (71, 64), (1000, 1000)],
)
def test_rounding(images: int, batch: int) -> None:
    assert rounded(images) == batch


def test_a_number_is_taken_as_it_is_and_a_cpu_has_no_auto(tiny: Path) -> None:
    session = make_run(tiny)
    assert known_batch(session, session.builder.build("TrainReader"), None) == 2
    expected = "found auto; expected a number on the CPU, .*; set TrainReader.batch_size=16$"
    with pytest.raises(UserError, match=f"^TrainReader.batch_size: {expected}"):
        build_trainer(make_run(tiny, AUTO))
    assert not (tiny.parent / "output").exists()


def train(tiny: Path, *overrides: str, **options: Any) -> tuple[TrainerParts, TrainingPosition]:
    trainer, progress = build_trainer(on_card(make_run(tiny, "worker_num=0", *overrides)), **options)
    return trainer, fit(trainer, progress)


def files(folder: Path) -> dict[str, Any]:
    """The state at the end of a training."""
    found = {suffix: read_arrays(folder / f"model_final{suffix}") for suffix in (".pdparams", ".pdopt", ".pdstate")}
    found[".pdstate"].pop("checksums")
    return found


@needs_peaks
def test_measuring_leaves_nothing_behind(tiny: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """A training with `auto` ends as one with that number: weights, averages, norms, slots and random numbers."""
    caplog.set_level(logging.INFO)
    Card(20 * MB).install(monkeypatch)
    rate = ("LearningRate.reference_batch_size=8", "LearningRate.auto_scale=true")
    trainer, progress = train(tiny, AUTO, "seed=3", "epoch=2", *rate, f"save_dir={tiny.parent}/a")
    batch = progress.batch
    assert 1 <= batch <= 5
    line = next(message for message in caplog.messages if "auto is" in message)
    assert line.startswith(f"TrainReader.batch_size: auto is {batch}")
    assert trainer.learning_rate.base_lr == pytest.approx(0.02 * batch / 8)
    number = f"TrainReader.batch_size={batch}"
    other, _ = train(tiny, number, "seed=3", "epoch=2", *rate, f"save_dir={tiny.parent}/b")
    np.testing.assert_equal(files(trainer.output_dir), files(other.output_dir))


def test_resuming_takes_the_batch_of_the_checkpoint(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppdet.training.setup.measured_batch", lambda *parts: 2)
    whole, _ = train(tiny, AUTO, "seed=3", f"save_dir={tiny.parent}/whole")
    monkeypatch.setattr("ppdet.training.setup.measured_batch", lambda *parts: pytest.fail("measured again"))
    first = whole.output_dir / "1"
    resumed, progress = train(tiny, AUTO, f"save_dir={tiny.parent}/resumed", resume=first)
    assert progress.batch == 2
    np.testing.assert_equal(files(resumed.output_dir), files(whole.output_dir))
    on_cpu = make_run(tiny, AUTO)  # nothing has to be measured there either
    assert known_batch(on_cpu, on_cpu.builder.build("TrainReader"), first) == 2


@needs_peaks
@pytest.mark.parametrize("megabytes", [150, pytest.param(400, marks=pytest.mark.slow)])
def test_the_real_peak_of_the_chosen_batch(megabytes: int, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of the chosen batch, measured, take 85 % of a small card."""
    card = Card(megabytes * MB).install(monkeypatch)
    card.release_memory(NAME)
    batch = chosen(tiny, a_dataset(1000, boxes=3))
    session = on_card(make_run(tiny, AUTO))
    taken = auto_batch._bytes_of_step(session, None, lambda: synthetic_batch(batch, (64, 64), 3, 3))
    assert 0.75 <= taken / card.size <= 0.95


def test_a_step_alone_is_no_collective(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda *parts, **options: pytest.fail("asked the other rank"))
    monkeypatch.setattr(paddle, "DataParallel", lambda *parts, **options: pytest.fail("shares its gradients"))
    monkeypatch.setattr(paddle.nn.SyncBatchNorm, "convert_sync_batchnorm", lambda part: pytest.fail("shares norms"))
    session = make_run(tiny, "sync_bn=true")
    losses = TrialStep(session, None, synthetic_batch(2, (64, 64), 3), alone=True)(0)
    assert np.isfinite(float(losses["loss"]))
