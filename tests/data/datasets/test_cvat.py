"""CVAT's XML for images: its shapes and labels, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import CVATDataSet
from tests.support.labeling_tools import cvat_file, cvat_image

BOX = '<box label="red" occluded="0" xtl="10.0" ytl="20.0" xbr="30.0" ybr="30.0"{}></box>'


def write(root: Path, shapes: str, name: str = "a.png") -> CVATDataSet:
    (root / "images").mkdir()
    (root / "images" / "a.png").touch()
    (root / "annotations.xml").write_text(cvat_file(cvat_image(name, (100, 200), shapes)))
    return CVATDataSet(str(root))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (BOX.format(""), [10, 20, 30, 30]),
        (BOX.format(' rotation="90.00"'), [15, 15, 25, 35]),
        (BOX.format(' rotation="0.0"').replace('occluded="0"', 'occluded="1" outside="0"'), [10, 20, 30, 30]),
        ('<polygon label="red" points="10.5,20.0;30.0,25.0;15.0,40.0"></polygon>', [10.5, 20, 30, 40]),
        ('<ellipse label="red" cx="50" cy="40" rx="20" ry="10"></ellipse>', [30, 30, 70, 50]),
        ('<ellipse label="red" cx="50" cy="40" rx="20" ry="10" rotation="90"></ellipse>', [40, 20, 60, 60]),
        ('<mask label="red" rle="3, 1" left="10" top="20" width="5" height="6"></mask>', [10, 20, 15, 26]),
    ],
)
def test_shapes(shape: str, expected: list[float], tmp_path: Path) -> None:
    (record,) = write(tmp_path, shape).load().records
    assert record.gt_bbox.tolist() == [expected]
    assert (record.size, record.im_file) == ((100, 200), str(tmp_path / "images" / "a.png"))


def test_shapes_that_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outside, nothing = BOX.format(' outside="1"'), BOX.format("").replace("30.0", "nan")
    others = '<points label="red" points="1,2"></points><tag label="blue"></tag>'
    (record,) = write(tmp_path, BOX.format("") + outside + nothing + others).load().records
    assert record.gt_bbox.tolist() == [[10, 20, 30, 30]]
    assert "dropped 2 boxes: 1 that are no outlines but points" in caplog.text
    assert "1 with a coordinate that is not a number" in caplog.text


@pytest.mark.parametrize("name", ["a.png", "images/a.png"])
def test_labels_come_from_the_task_in_its_order(name: str, tmp_path: Path) -> None:
    dataset = write(tmp_path, BOX.format(""), name).load()
    assert [category.name for category in dataset.categories] == ["red", "green", "blue"]
    assert Path(dataset.records[0].im_file).is_file()
    text = (tmp_path / "annotations.xml").read_text()
    skeleton = "<label><name>arm</name><type>points</type><parent>body</parent></label></labels>"
    (tmp_path / "annotations.xml").write_text(text.replace("</labels>", skeleton))
    assert [category.name for category in dataset.load().categories] == ["red", "green", "blue"]
    (tmp_path / "annotations.xml").write_text(text.replace('label="red"', 'label="pink"'))
    with pytest.raises(
        UserError, match=r"image '.*a\.png': class 'pink' is not among the classes .*\(red, green, blue"
    ):
        dataset.load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><track id='0'/></annotations>", r"holds tracks of a video; export as CVAT for images 1\.1$"),
        ("<annotation/>", r"is <annotation>, expected <annotations>; export as CVAT for images 1\.1$"),
        ("<annotations>", r"not valid XML"),
        ("<annotations/>", r"lists no images; check dataset_dir"),
        ('<annotations><image id="3"/></annotations>', r"image '3' has no name"),
        (
            cvat_file(cvat_image("a", (1, 1), BOX.format("").replace("10.0", "x"))),
            r"image 'a': xtl: found 'x'; expected",
        ),
        (
            cvat_file(cvat_image("a", (1, 1), '<polygon label="red" points="1"/>')),
            r"image 'a': a polygon has no points",
        ),
        (cvat_file(cvat_image("a", (1, 1), "<box/>")), r"image 'a': an object has no name"),
        (cvat_file("", ["red", "red"]), r"lists the class 'red' twice"),
    ],
)
def test_a_broken_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        CVATDataSet(str(tmp_path)).load()
    assert str(error.value).startswith(f"{tmp_path}/annotations.xml: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("entity", ['<!ENTITY a "ha">', '<!ENTITY a SYSTEM "file:///etc/passwd">', '<!ENTITY % a "x">'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(entity: str, encoding: str, tmp_path: Path) -> None:
    body = cvat_file(cvat_image("&a;", (1, 1), "")).partition("\n")[2]
    (tmp_path / "annotations.xml").write_bytes(f"<!DOCTYPE x [{entity}]>{body}".encode(encoding))
    with pytest.raises(UserError, match=r"annotations\.xml: defines XML entities, which annotations do without"):
        CVATDataSet(str(tmp_path)).load()
