"""Pictures with boxes, and images that cannot be read."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.evaluation.evaluator import detect
from ppdet.evaluation.infer import infer
from ppdet.session import Session
from tests.support.tiny import make_run
from tests.support.trained import write_trained_config


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Session:
    return make_run(write_trained_config(tmp_path_factory.mktemp("infer")))


@pytest.fixture
def photos(session: Session, tmp_path: Path) -> Path:
    """Two images of the dataset, and their folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    source = Path(session.settings.save_dir).parent / "images"
    for name in ("1.png", "2.png"):
        (folder / name).write_bytes((source / name).read_bytes())
    return folder


def test_pictures_and_results_are_those_of_the_model(session, photos, tmp_path, caplog) -> None:
    with caplog.at_level(logging.INFO):
        assert infer(session, photos, tmp_path / "out", 0.1, write_results=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"1.png", "2.png", "bbox.json"}
    reader = session.builder.build("EvalReader", batch_size=1, worker_num=0)
    dataset = session.load_dataset("EvalDataset")
    dataset.records = dataset.records[:2]
    expected = dict(detect(session.load_model(), reader.bind(dataset).epoch(0), 2))
    content = json.loads((tmp_path / "out" / "bbox.json").read_text())
    for im_id, name in enumerate(("1.png", "2.png")):
        scores = [entry["score"] for entry in content if entry["file_name"] == name]
        np.testing.assert_allclose(sorted(scores), sorted(expected[im_id][:, 1]), rtol=1e-4)
        shown = int((expected[im_id][:, 1] >= 0.1).sum())
        assert f"{name}: {shown} boxes, threshold 0.10" in caplog.text
        drawn, original = cv2.imread(str(tmp_path / "out" / name)), cv2.imread(str(photos / name))
        assert drawn.shape == original.shape
        assert (drawn != original).any() == (shown > 0)


def test_no_box_above_the_threshold_leaves_the_picture_as_it_is(session, photos, tmp_path) -> None:
    infer(session, photos / "1.png", tmp_path / "out", 1.0, write_results=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.png"]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out" / "1.png")), cv2.imread(str(photos / "1.png")))


def test_an_image_of_a_folder_that_cannot_be_read_is_passed_over(session, photos, tmp_path, caplog) -> None:
    (photos / "2.png").write_bytes(b"not an image")
    assert not infer(session, photos, tmp_path / "out", 0.5, write_results=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.png"]
    assert "photos: 1 of 2 images could not be read or written" in caplog.text


def test_a_folder_without_any_readable_image(session, photos, tmp_path) -> None:
    for path in photos.iterdir():
        path.write_bytes(b"not an image")
    with pytest.raises(UserError, match="photos: none of its 2 images can be read"):
        infer(session, photos, tmp_path / "out", 0.5, write_results=True)
    assert not (tmp_path / "out" / "bbox.json").exists()


def test_a_single_image_that_cannot_be_read_is_an_error(session, photos, tmp_path) -> None:
    (photos / "1.png").write_bytes(b"not an image")
    with pytest.raises(UserError, match=r"1\.png"):
        infer(session, photos / "1.png", tmp_path / "out", 0.5, write_results=False)


def test_images_are_not_replaced_by_their_pictures(session, photos) -> None:
    before = (photos / "1.png").read_bytes()
    with pytest.raises(UserError, match="--output_dir: .* is the input itself and would be replaced"):
        infer(session, photos, photos, 0.5, write_results=False)
    assert (photos / "1.png").read_bytes() == before


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_thresholds_out_of_range(session, photos, tmp_path, threshold) -> None:
    with pytest.raises(UserError, match="--draw_threshold: expected a score between 0 and 1, found"):
        infer(session, photos, tmp_path / "out", threshold, write_results=False)
