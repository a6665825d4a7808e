"""The confusion matrix of the page: nothing is lost when classes are put together."""

from __future__ import annotations

import numpy as np

from ppdet.report.matrix import fold, matrix_view, row_shares, shown_classes


def test_few_classes_are_all_shown() -> None:
    counts = np.array([[5, 1, 2], [0, 3, 0], [4, 0, 0]])
    small, keys, titles = fold(counts, ["cat", "dog"])
    assert (small == counts).all()
    assert keys == [0, 1, 2]
    assert titles == ["cat", "dog", "background"]


def test_many_classes_are_put_together() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 3, (81, 81))
    counts[70, 7] = counts[7, 70] = 500
    small, keys, titles = fold(counts, [f"class {index}" for index in range(80)])
    assert len(small) == len(keys) == len(titles) == 27
    assert titles[-2:] == ["others", "background"]
    assert {7, 70} <= set(shown_classes(counts))
    assert small.sum() == counts.sum()
    place = [keys.index(7), keys.index(70)]
    assert small[place[0], place[1]] == 500
    assert small[-1, -1] == counts[-1, -1]
    shown = keys[:25]
    others = [index for index in range(80) if index not in shown]
    assert small[-2, -2] == counts[np.ix_(others, others)].sum()


def test_shares_of_rows() -> None:
    assert row_shares(np.array([[3, 1], [0, 0]])).tolist() == [[0.75, 0.25], [0, 0]]


def test_cells_say_what_they_are() -> None:
    counts = np.array([[5, 1, 2], [0, 0, 0], [4, 0, 0]])
    picture = {"data": "data:x", "link": "x", "caption": "", "name": ""}
    view = matrix_view(counts, ["cat", "dog"], {(0, 1): [picture], (2, 0): []})
    assert view["columns"] == ["cat", "dog", "missed"]
    assert [row["name"] for row in view["rows"]] == ["cat", "dog", "no object"]
    labels = [[cell["label"] for cell in row["cells"]] for row in view["rows"]]
    assert labels[0] == ["cat, found: 5", "cat taken for dog: 1", "cat, missed: 2"]
    assert labels[2][0] == "cat without an object: 4"
    assert [cell["text"] for cell in view["rows"][0]["cells"]] == ["62", "12", "25"]
    assert [cell["template"] for cell in view["rows"][0]["cells"]] == ["", "cell-0-1", ""]
    assert [cell["template"] for cell in view["cells"]] == ["cell-0-1"]
    assert (view["shown"], view["hidden"]) == (2, 0)


def test_names_that_the_matrix_has_itself_are_classes_all_the_same() -> None:
    counts = np.array([[5, 1, 2], [3, 7, 0], [4, 0, 0]])
    rows = matrix_view(counts, ["background", "others"], {})["rows"]
    labels = [[cell["label"] for cell in row["cells"]] for row in rows]
    assert labels[0] == ["background, found: 5", "background taken for others: 1", "background, missed: 2"]
    assert labels[1][0] == "others taken for background: 3"
    assert labels[2][0] == "background without an object: 4"
    assert [[cell["own"] for cell in row["cells"]][:2] for row in rows[:2]] == [[True, False], [False, True]]


def test_classes_that_are_put_together_are_not_said_to_be_right() -> None:
    view = matrix_view(np.ones((41, 41), int), [f"class {index}" for index in range(40)], {})
    others = view["rows"][-2]["cells"][-2]
    assert others["label"] == "others, found or taken for each other: 225"


def test_a_rare_confusion_is_still_seen() -> None:
    counts = np.array([[999, 1, 0], [0, 0, 0], [0, 0, 0]])
    texts = [cell["text"] for cell in matrix_view(counts, ["cat", "dog"], {})["rows"][0]["cells"]]
    assert texts == ["100", "·", ""]
