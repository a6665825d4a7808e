"""Which augmentations an epoch has."""

from __future__ import annotations

from ppdet.data.loading.schedule import Schedule
from ppdet.data.transforms.mosaic import Mosaic
from ppdet.data.transforms.sample_transforms import AnyTransform, Augmentation, Decode, RandomFlip


class Mixup(Augmentation):
    pass


def names(schedule: Schedule, epoch: int, *others: AnyTransform) -> list[str]:
    transforms = [Decode(), *others, Mosaic(), RandomFlip()]
    return [type(each).__name__ for each in schedule.active(transforms, epoch)]


def test_everything_is_on_by_default() -> None:
    assert names(Schedule(), 0) == names(Schedule(), 1000) == ["Decode", "Mosaic", "RandomFlip"]


def test_the_first_epochs() -> None:
    for epochs, on in ((2, [True, True, False, False]), (0, [True] * 4), (-1, [False] * 4)):
        assert ["Mosaic" in names(Schedule({"Mosaic": epochs}), epoch) for epoch in range(4)] == on


def test_one_of_them_at_a_time() -> None:
    schedule = Schedule({"Mixup": 1, "Mosaic": 3})
    found = [names(schedule, epoch, Mixup())[1:-1] for epoch in range(4)]
    assert found == [["Mixup"], ["Mosaic"], ["Mosaic"], []]
    assert names(Schedule({"Mixup": 0, "Mosaic": 0}), 9, Mixup()) == ["Decode", "Mixup", "RandomFlip"]


def test_the_last_epochs_have_none() -> None:
    schedule = Schedule({"Mosaic": 0}, end=3)
    assert ["Mosaic" in names(schedule, epoch) for epoch in range(5)] == [True, True, True, False, False]
    assert names(schedule, 4) == ["Decode", "RandomFlip"]
