"""RandomSelect: one of two lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.data.transforms.random_select import RandomSelect
from ppdet.data.transforms.sample_transforms import RandomFlip, Resize
from tests.support.samples import noise_sample

load_classes()


def test_each_list_has_its_share() -> None:
    select = RandomSelect([RandomFlip(1.0), Resize(32)], [Resize((48, 64))], p=0.3)
    assert select.sizes == [(32, 32), (48, 64)]
    rng, sample = np.random.default_rng(0), noise_sample(np.random.default_rng(0))
    sizes = [select(sample, rng).size for _ in range(300)]
    assert set(sizes) == {(32, 32), (48, 64)}
    assert 60 < sizes.count((32, 32)) < 120
    both = RandomSelect([RandomFlip(1.0), Resize(32)], [], p=1.0)(sample, rng)
    np.testing.assert_array_equal(both.image, sample.image[:, ::-1])
    assert RandomSelect([], [Resize(8)], p=1.0)(sample, rng) is sample


def reader(**options: Any) -> Any:
    return Builder(Config({"TrainReader": {"sample_transforms": ["Decode", {"RandomSelect": options}]}}))


def test_a_config_names_the_lists() -> None:
    resizes = {"transforms1": [{"RandomFlip": {}}, {"Resize": {"target_size": 800}}], "transforms2": ["RandomFlip"]}
    built = reader(**resizes).build("TrainReader")
    assert built.largest_size == (800, 800)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transforms1": ["Mosaic"], "transforms2": []}, "RandomSelect.transforms1: found Mosaic, which stands in"),
        ({"transforms1": ["RandomAffine"], "transforms2": []}, "RandomSelect.transforms1: found RandomAffine, which s"),
        ({"transforms1": ["NormalizeImage"], "transforms2": []}, "RandomSelect.transforms1: found NormalizeImage, whi"),
        ({"transforms1": [], "transforms2": ["Decode"]}, "RandomSelect.transforms2: found Decode, which stands in"),
        ({"transforms1": [], "transforms2": [], "p": 2}, "TrainReader.sample_transforms.1.RandomSelect.p: expected at"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        reader(**options).build("TrainReader")
    assert str(error.value).startswith(message)
