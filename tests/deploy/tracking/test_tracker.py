from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pytest

from ppdet.deploy import Detections, Detector
from ppdet.deploy.errors import DeployError
from ppdet.deploy.tracking.tracked import Tracked
from ppdet.deploy.tracking.tracker import Tracker, class_numbers, of_classes
from tests.support.moving_signs import NAMES, RATE, Truth, make_sequence, make_signs

CAT, DOG = 0, 1


def found(*objects: tuple[int, float, float]) -> Detections:
    """Objects (class, score, x), each 40 x 40 pixels."""
    boxes = np.array([(x, 10, x + 40, 50) for _, _, x in objects], np.float32).reshape(-1, 4)
    class_ids = np.array([class_id for class_id, _, _ in objects], np.int64)
    scores = np.array([score for _, score, _ in objects], np.float32)
    return Detections(boxes, scores, class_ids, tuple(("cat", "dog")[i] for i in class_ids.tolist()))


def follow(frames: Sequence[Detections], threshold: float | np.ndarray = 0.5) -> list[list[tuple[str, int]]]:
    """(class, id) of the objects of each frame."""
    tracker = Tracker(30, threshold)
    tracked = [tracker.update(each) for each in frames]
    return [list(zip(each.names, each.ids.tolist(), strict=True)) for each in tracked]


def test_an_id_from_the_second_frame_on(library: None) -> None:
    frames = [found((CAT, 0.9, 10 + 3 * i), (CAT, 0.8, 200 - 3 * i)) for i in range(4)]
    assert follow(frames) == [[], *[[("cat", 1), ("cat", 2)]] * 3]


def test_low_scores_continue_a_track_but_begin_none(library: None) -> None:
    frames = [found((CAT, 0.2 if i in (3, 4, 5) else 0.9, 10 + 3 * i), (CAT, 0.4, 200)) for i in range(8)]
    assert follow(frames) == [[], *[[("cat", 1)]] * 7]


def test_thresholds_of_the_classes(library: None) -> None:
    frames = [found((CAT, 0.4, 10), (DOG, 0.4, 200)) for _ in range(3)]
    assert follow(frames, np.array([0.5, 0.3], np.float32)) == [[], *[[("dog", 1)]] * 2]


def test_classes_are_not_mixed(library: None) -> None:
    same_place = [found((CAT, 0.9, 10), (DOG, 0.8, 10)) for _ in range(3)]
    assert follow(same_place) == [[], *[[("cat", 1), ("dog", 2)]] * 2]
    takes_over = [found((CAT, 0.9, 10)) for _ in range(3)] + [found((DOG, 0.9, 10)) for _ in range(3)]
    assert follow(takes_over)[3:] == [[], *[[("dog", 2)]] * 2]


def test_a_low_score_of_another_class_for_the_same_object_is_left_out(library: None) -> None:
    wrong_twice = [found((DOG, 0.9, 10))] * 2
    assert follow([*wrong_twice, *[found((CAT, 0.9, 10), (DOG, 0.3, 11))] * 3]) == [
        [],
        [("dog", 1)],
        [],
        *[[("cat", 2)]] * 2,
    ]
    apart = [found((CAT, 0.9, 10), (DOG, 0.3, 40))] * 2
    assert follow([found((DOG, 0.9, 40))] * 2 + apart)[2:] == [[("dog", 1)], [("cat", 2), ("dog", 1)]]


def test_empty_frames(library: None) -> None:
    assert follow([found()] * 2) == [[], []]
    assert follow([found(), found((CAT, 0.9, 10)), found((CAT, 0.9, 10)), found()]) == [[], [], [("cat", 1)], []]


def test_what_is_found_stays_as_it_is(library: None) -> None:
    tracker, frame = Tracker(30, 0.5), found((CAT, 0.9, 10.3), (DOG, 0.8, 100.7))
    tracker.update(frame)
    tracked = tracker.update(frame)
    np.testing.assert_array_equal(tracked.boxes, frame.boxes)
    np.testing.assert_array_equal(tracked.scores, frame.scores)
    assert tracked.entries() == [
        {"track_id": i, **entry} for i, entry in zip(tracked.ids.tolist(), frame.entries(), strict=True)
    ]


def test_ids_are_drawn() -> None:
    frame, image = found((CAT, 0.9, 60)), np.full((200, 300, 3), 90, np.uint8)
    tracked = [
        Tracked(frame.boxes, frame.scores, frame.class_ids, frame.names, ids=np.array([i])).plot(image)
        for i in (1, 1, 27)
    ]
    np.testing.assert_array_equal(tracked[0], tracked[1])
    assert (tracked[0] != frame.plot(image)).any()
    assert (tracked[0] != tracked[2]).any()


def test_classes_by_name() -> None:
    assert class_numbers(["dog"], ("cat", "dog")) == [DOG]
    assert of_classes(found((CAT, 0.9, 10), (DOG, 0.8, 10)), [DOG]).names == ("dog",)
    with pytest.raises(DeployError, match=r"^classes: found 'dgo'; expected classes of the model: cat, dog$"):
        class_numbers(["dgo"], ("cat", "dog"))


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_wrong_frame_rate(rate: float) -> None:
    with pytest.raises(DeployError, match=r"^frame_rate: found \S+; expected the frames per second, more than 0"):
        Tracker(rate, 0.5)


@pytest.mark.parametrize("missing", ["trackers", "supervision"])
def test_without_the_library(missing: str, stand_in: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(DeployError, match=r'^trackers: not installed; pip install "trackers>=2.5"'):
        Tracker(30, 0.5)


def test_a_detector_tracks(small, library: None) -> None:
    """The model finds a dog that is as sure as the frame is bright."""
    detector = Detector(small, "onnxruntime")
    frames = [np.full((100, 200, 3), value, np.uint8) for value in (250, 250, 80, 250, 10)]
    tracked = list(detector.track(frames, 25))
    assert [each.ids.tolist() for each in tracked] == [[], [1], [1], [1], []]  # 80: a low score; 10: below the lowest
    assert [each.ids.tolist() for each in detector.track(frames, 25, classes=["cat"])] == [[]] * 5
    tiles = list(detector.track(frames[:2], 25, tile=(64, 64)))
    assert len(tiles[1]) == len(detector.detect_sliced(frames[0], (64, 64))) > 1
    with pytest.raises(DeployError, match=r"^classes: found 'cow'"):
        detector.track(frames, classes=["cow"])


def as_detections(truth: Truth) -> Detections:
    names = tuple(NAMES[i] for i in truth.class_ids.tolist())
    return Detections(truth.boxes, np.full(len(names), 0.9, np.float32), truth.class_ids, names)


def switches(truths: Sequence[Truth], tracked: Sequence[Tracked]) -> tuple[int, int]:
    """How often the id at a sign's place changes, and at how many places there is one."""
    last: dict[int, int] = {}
    changes = places = 0
    for truth, each in zip(truths, tracked, strict=True):
        ids = {tuple(box): number for box, number in zip(each.boxes.tolist(), each.ids.tolist(), strict=True)}
        for sign, box in zip(truth.ids.tolist(), truth.boxes.tolist(), strict=True):
            if number := ids.get(tuple(box)):
                changes += last.get(sign, number) != number
                last[sign] = number
                places += 1
    return changes, places


def test_signs_keep_their_ids_behind_pillars_and_each_other() -> None:
    pytest.importorskip("trackers", reason='trackers is not installed: pip install ".[tracking]"')
    truths = make_sequence(make_signs(500, seed=0), 500)
    runs = []
    for _ in range(2):
        tracker = Tracker(RATE, 0.5)
        runs.append([tracker.update(as_detections(truth)) for truth in truths])
    changes, places = switches(truths, runs[0])
    assert changes <= 1  # 2 in 1,000 frames
    assert places > 0.97 * sum(len(truth.ids) for truth in truths)
    assert [each.ids.tolist() for each in runs[0]] == [each.ids.tolist() for each in runs[1]]


def test_the_signs_are_hidden_and_come_back() -> None:
    signs = make_signs(200, seed=0)
    truths = make_sequence(signs, 200)
    gaps = 0
    for sign in signs:
        seen = [i for i, truth in enumerate(truths) if sign.number in truth.ids]
        gaps += sum(b - a > 1 for a, b in zip(seen, seen[1:], strict=False))
    assert gaps > 5
