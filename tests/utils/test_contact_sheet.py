"""Contact sheets."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.utils.contact_sheet import close_up, contact_sheet, fitted, pictures_of


def plain(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("shape", "expected", "factor"),
    [((50, 100), (40, 80), 0.8), ((10, 5), (80, 40), 8.0), ((400, 1), (80, 1), 0.2)],
)
def test_fitted(shape: tuple[int, int], expected: tuple[int, int], factor: float) -> None:
    picture, found = fitted(plain(*shape, 77), 80)
    assert picture.shape == (*expected, 3)
    assert found == pytest.approx(factor)
    assert (picture == 77).all()


def test_each_picture_is_in_its_cell() -> None:
    """Cells of 40 pixels, 18 for the caption, 6 between them: the third picture begins the second row."""
    page = contact_sheet([plain(40, 40, 10), plain(20, 40, 20), plain(40, 10, 30)], ["a", "b", "c"], 40, 2)
    assert page.shape == (2 * (40 + 18 + 6) + 6, 2 * (40 + 6) + 6, 3)
    assert (page[6:46, 6:46] == 10).all()
    assert (page[16:36, 52:92] == 20).all()
    assert (page[6:16, 52:92] == 255).all()
    assert (page[70:110, 21:31] == 30).all()
    assert (page[46:64, 6:46] < 255).any()  # its caption


def test_one_picture_makes_a_narrow_page() -> None:
    assert contact_sheet([plain(40, 40, 10)], [""], 40, 5).shape == (70, 52, 3)


def test_a_long_caption_stays_in_its_cell() -> None:
    """Of both texts the same end is shown, and nothing of it beside the cell."""
    ends = [
        contact_sheet([plain(60, 60, 10)] * 2, [f"{start}_the_same_end.jpg", ""], 60, 2)
        for start in ("a_long_beginning", "another_long_beginning")
    ]
    np.testing.assert_array_equal(*ends)
    assert (ends[0][66:84, 6:66] < 255).any()
    assert (ends[0][66:84, 70:] == 255).all()


def test_other_letters_are_question_marks() -> None:
    one, other = (contact_sheet([plain(60, 60, 10)], [text], 60, 1) for text in ("猫.jpg", "?.jpg"))
    np.testing.assert_array_equal(one, other)


def test_close_up() -> None:
    """Around a box of 20 x 10 at (50, 40) are 8 pixels: 36 x 26 pixels, enlarged twice."""
    image = np.zeros((100, 100, 3), np.uint8)
    image[32:58, 42:78] = 50
    picture = close_up(image, (50, 40, 70, 50), [(np.array([50, 40, 70, 50]), (0, 0, 255))], 72)
    assert picture.shape == (52, 72, 3)
    red = (picture == (0, 0, 255)).all(2)
    assert red[[16, 36], 16:57].all()
    assert red[16:37, [16, 56]].all()
    assert (picture[~red] == 50).all()


@pytest.mark.parametrize("shown", [(-50, -50, 5, 5), (95, 95, 300, 120), (200, 10, 210, 20)])
def test_close_up_of_a_box_outside(shown: tuple[float, ...]) -> None:
    picture = close_up(np.full((100, 100, 3), 50, np.uint8), shown, [(np.array(shown), (0, 0, 255))], 40)
    assert max(picture.shape[:2]) == 40


def test_pictures_of() -> None:
    """In order; a gray field takes the place of an image that cannot be read."""

    def draw(number: int) -> np.ndarray:
        if number == 2:
            raise UserError("2.png: cannot be decoded")
        return plain(5, 5, number)

    pictures = pictures_of(draw, [3, 2, 1], 8)
    assert [int(picture[0, 0, 0]) for picture in pictures] == [3, 128, 1]
    assert pictures[1].shape == (8, 8, 3)
