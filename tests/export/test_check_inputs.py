"""The images that an export is checked on: EvalDataset's, or noise."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from ppdet.export.check_inputs import sample_batch
from ppdet.session import Session
from tests.support.tiny import make_run


def test_images_are_those_of_the_dataset_prepared_by_test_reader(tiny) -> None:
    session = make_run(tiny)
    sample = sample_batch(session, (64, 64), count=3)
    dataset = session.load_dataset("EvalDataset")
    batch = next(iter(session.builder.build("TestReader", batch_size=3, worker_num=0).bind(dataset).epoch(0)))
    np.testing.assert_array_equal(sample.image, batch.image.numpy())
    np.testing.assert_allclose(sample.scale_factor, [[64 / 60, 64 / 80]] * 3, rtol=1e-6)
    assert sample.source == "images of EvalDataset"


def test_fewer_images_are_repeated(tiny) -> None:
    sample = sample_batch(make_run(tiny), (64, 64), count=8)
    assert sample.image.shape == (8, 3, 64, 64)
    np.testing.assert_array_equal(sample.image[6:], sample.image[:2])


@pytest.mark.parametrize(("size", "shape"), [((48, 64), (2, 3, 48, 64)), ((-1, -1), (2, 3, 320, 320))])
def test_noise_without_a_dataset(tiny, caplog, size, shape) -> None:
    session = make_run(tiny, "EvalDataset.anno_path=nowhere.json")
    with caplog.at_level(logging.INFO):
        sample = sample_batch(session, size)
    assert sample.image.shape == shape
    assert abs(float(sample.image.std()) - 1) < 0.05
    assert sample.scale_factor.tolist() == [[1, 1], [1, 1]]
    assert sample.source.startswith("images of noise")
    assert "nowhere.json" in caplog.text
    np.testing.assert_array_equal(sample_batch(session, size).image, sample.image)


def test_an_error_in_the_code_is_not_taken_for_a_missing_dataset(tiny, monkeypatch) -> None:
    def broken(*_):
        raise KeyError("bug")

    monkeypatch.setattr(Session, "build_dataset", broken)
    with pytest.raises(KeyError, match="bug"):
        sample_batch(make_run(tiny), (64, 64))
