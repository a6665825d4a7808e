"""VOC's XML: numbers, encodings, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets.voc_xml import read_annotation
from tests.support.voc_files import BOX, annotation


def test_the_sizes_and_numbers_that_count(tmp_path: Path) -> None:
    def size(width: str) -> str:
        return annotation(size=f"<size><width>{width}</width><height>100</height></size>")

    for width in ("inf", "nan", "-64", "1_00", "1e300", "99999999999", "", "x"):
        (tmp_path / "a.xml").write_text(size(width))
        assert read_annotation(tmp_path / "a.xml").size is None
    for width in ("200", " 200 ", "200.0", "2e2"):
        (tmp_path / "a.xml").write_text(size(width))
        assert read_annotation(tmp_path / "a.xml").size == (100, 200)


@pytest.mark.parametrize("side", ["1_0", "nan", "inf", "1e39", "1e999", "٣", "0x1", "1,5", ""])
def test_a_side_that_is_no_plain_number_drops_the_box(side: str, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(annotation(box=(side, 20, 30, 40)), encoding="utf-8")
    ((_, box, _),) = read_annotation(tmp_path / "a.xml").objects
    assert np.isnan(box[0])
    assert box[1:] == [20, 30, 40]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gbk", "iso-8859-1", "utf-7"])
def test_declared_encodings(encoding: str, tmp_path: Path) -> None:
    name = "köter" if encoding == "iso-8859-1" else "红色"
    declaration = "" if encoding in ("utf-8-sig", "utf-16") else f'<?xml version="1.0" encoding="{encoding}"?>\n'
    (tmp_path / "a.xml").write_bytes((declaration + annotation(name)).encode(encoding))
    assert read_annotation(tmp_path / "a.xml").objects == [(name, [*map(float, BOX)], 0)]


def test_entities_are_refused_at_once(tmp_path: Path) -> None:
    entities = '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefghijkl", "bcdefghijklm", strict=True)
    )
    bomb = f"<!DOCTYPE x [{entities}]>" + annotation("&m;")
    for encoding in ("utf-8", "utf-16"):
        (tmp_path / "a.xml").write_text(bomb, encoding=encoding)
        with pytest.raises(UserError, match=r"a\.xml: defines XML entities"):
            read_annotation(tmp_path / "a.xml")


def test_a_file_far_too_large(tmp_path: Path) -> None:
    with (tmp_path / "a.xml").open("wb") as file:
        file.truncate(1 << 40)  # a hole: takes no room
    with pytest.raises(UserError, match=r"a\.xml: is larger than"):
        read_annotation(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not valid XML"),
        ("<annotation><object>", "not valid XML"),
        ("<html/>", "is <html>, expected <annotation>"),
        ("<annotation><object/></annotation>", "an object has no name"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as error:
        read_annotation(path)
    assert str(error.value).startswith(f"{path}: ")
    path.unlink()
    with pytest.raises(UserError, match=r"a\.xml: cannot be read \(No such file or directory\)"):
        read_annotation(path)


def test_an_object_without_a_box_has_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<annotation><object><name>cat</name></object></annotation>")
    found = read_annotation(tmp_path / "a.xml")
    ((name, box, difficult),) = found.objects
    assert (name, difficult, found.size) == ("cat", 0, None)
    assert np.isnan(box).all()


def test_several_boxes_in_one_object(tmp_path: Path) -> None:
    more = "<bndbox><xmin>50</xmin><ymin>50</ymin><xmax>60</xmax><ymax>60</ymax></bndbox></object>"
    (tmp_path / "a.xml").write_text(annotation(difficult=1).replace("</object>", more))
    found = read_annotation(tmp_path / "a.xml").objects
    assert found == [("cat", [10, 20, 30, 40], 1), ("cat", [50, 50, 60, 60], 1)]
