"""Which boxes are shown, and what their pictures say."""

from __future__ import annotations

from ppdet.report.galleries import EACH, OF_A_CELL, cells, confusions, false_positives, misses, worst_images
from tests.support.evaluated import make_scene

BIG, SMALL, AWAY = [20.0, 20.0, 120.0, 120.0], [5.0, 5.0, 15.0, 15.0], [150.0, 150.0, 190.0, 190.0]
OBJECTS = [[[0, *BIG]], [[0, *BIG], [1, *SMALL]], [[1, *AWAY]], []]
DETECTIONS = [[[1, 0.95, *BIG]], [[0, 0.9, *BIG]], [], [[0, 0.99, *AWAY], [0, 0.01, *SMALL]]]


def test_each_gallery_has_its_kind_the_worst_first() -> None:
    scene = make_scene(OBJECTS, DETECTIONS)
    assert [each.caption for each in false_positives(scene)] == ["a 0.99", "a taken for b 0.95"]
    assert [each.caption for each in confusions(scene)] == ["a taken for b 0.95"]
    assert [each.caption for each in misses(scene)] == ["b, 40 x 40", "b, 10 x 10"]
    assert [(each.file, each.caption) for each in worst_images(scene)] == [
        ("/none/0.png", "1 wrong, 0 missed"),
        ("/none/1.png", "0 wrong, 1 missed"),
        ("/none/2.png", "0 wrong, 1 missed"),
        ("/none/3.png", "1 wrong, 0 missed"),
    ]


def test_a_picture_is_about_its_boxes() -> None:
    (picture,) = confusions(make_scene(OBJECTS, DETECTIONS))
    assert picture.focus == tuple(BIG)
    assert [(box.part, list(box.corners)) for box in picture.boxes] == [("truth", BIG), ("found", BIG)]
    missed = misses(make_scene(OBJECTS, DETECTIONS))[1]
    assert [box.part for box in missed.boxes] == ["other", "truth"]  # what it is about is drawn last
    assert missed.size == (200, 200)


def test_boxes_on_objects_that_are_found_already() -> None:
    """They belong to no object of the matrix; the caption says what they lie on."""
    shifted = [70.0, 20.0, 170.0, 120.0]  # IoU 1/3
    rows = [[0, 0.95, *BIG], [1, 0.9, *BIG], [0, 0.85, *BIG], [0, 0.8, *shifted]]
    scene = make_scene([[[0, *BIG]]] * 3 + [[[0, *BIG]]] * 2, [rows, *[[[0, 0.79, *BIG]]] * 4])
    found = false_positives(scene)
    assert [each.caption for each in found] == ["b 0.90 on a", "a 0.85, a second box", "a 0.80, fits badly"]
    assert [box.part for box in found[0].boxes] == ["truth", "found"]


def test_a_whole_image_shows_everything_that_is_seen() -> None:
    """A difficult object is thin, and weak detections are left out."""
    objects = [[[0, *BIG], [1, *SMALL, 1], [1, *AWAY]], [[0, *BIG]]]
    scene = make_scene(objects, [[[0, 0.9, *BIG], [0, 0.01, *AWAY]], [[0, 0.9, *BIG]]], metric="VOC")
    (picture,) = worst_images(scene)
    assert picture.focus is None
    assert [box.part for box in picture.boxes] == ["other", "truth", "truth", "found"]


def test_cells_of_the_matrix() -> None:
    found = cells(make_scene(OBJECTS, DETECTIONS))
    captions = {cell: [each.caption for each in pictures] for cell, pictures in found.items()}
    assert captions == {(1, 2): ["b, 40 x 40", "b, 10 x 10"], (0, 1): ["a taken for b 0.95"], (2, 0): ["a 0.99"]}


def test_galleries_have_an_end() -> None:
    scene = make_scene([[[0, *BIG]]] * 99, [[[1, 0.9, *BIG], [1, 0.8, *AWAY]]] * 99)
    assert len(false_positives(scene)) == len(confusions(scene)) == EACH
    assert {len(pictures) for pictures in cells(scene).values()} == {OF_A_CELL}


def test_nothing_found_and_nothing_there() -> None:
    scene = make_scene([[], []], [[], []])
    assert not [*worst_images(scene), *false_positives(scene), *misses(scene), *confusions(scene), *cells(scene)]
