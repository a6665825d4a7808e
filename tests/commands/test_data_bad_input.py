"""Bad folders and files end `ppdet data` with one line and status 2, whatever the format; nothing is written."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ppdet.cli import main
from ppdet.core.errors import UserError
from ppdet.data.datasets import AutoDataset
from tests.support.csv_files import write_csv, write_open_images
from tests.support.datasets import CLASSES, noise_scenes, write_coco
from tests.support.image_specimens import encoded
from tests.support.labeling_tools import write_cvat, write_label_studio, write_labelme
from tests.support.voc_files import annotation, plain
from tests.support.yolo_files import write_yolo

COMMANDS = {
    "check": ["--fix", "{new}"],
    "split": ["--val", "0.3", "--output", "{new}"],
    "convert": ["--to", "coco", "--output", "{new}"],
}
SUFFIXES = {".json", ".xml", ".csv", ".txt", ".yaml"}
# an entity that expands to a gigabyte, one that is a file, and a declaration that is elsewhere
BOMB = (
    '<!DOCTYPE a [<!ENTITY e "lol">'
    + "".join(f'<!ENTITY e{n} "{f"&e{n - 1 or str()};" * 10}">' for n in range(1, 10))
    + "]>"
)
EXTERNAL = '<!DOCTYPE a [<!ENTITY e9 SYSTEM "file:///etc/passwd">]>'
ELSEWHERE = '<!DOCTYPE a SYSTEM "http://localhost:9/a.dtd">'


def coco(root: Path) -> None:
    write_coco(root / "train.json", root / "train", noise_scenes(6))


def voc(root: Path) -> None:
    root.mkdir()
    dataset = plain(root, **{f"x{index}": annotation(CLASSES[index % 3]) for index in range(6)})
    for index in range(6):
        (dataset.root / "JPEGImages" / f"x{index}.png").write_bytes(encoded(".png"))


def yolo(root: Path) -> None:
    write_yolo(root, noise_scenes(6), yaml="train: images/train\nnames: [red, green, blue]\n")


FORMATS: dict[str, Callable[[Path], None]] = {
    "coco": coco,
    "voc": voc,
    "yolo": yolo,
    "csv": lambda root: write_csv(root, noise_scenes(6)),
    "open_images": lambda root: write_open_images(root, noise_scenes(6)),
    "labelme": lambda root: write_labelme(root, noise_scenes(6)),
    "cvat": lambda root: write_cvat(root, noise_scenes(6)),
    "label_studio": lambda root: write_label_studio(root, noise_scenes(6)),
}


def run(command: str, root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The status and what was said on the standard error output."""
    options = [option.format(new=root.with_name("new")) for option in COMMANDS[command]]
    try:
        main(["data", command, str(root), *options])
    except SystemExit as end:
        return int(end.code or 0), capsys.readouterr().err
    return 0, capsys.readouterr().err


def assert_refused(command: str, root: Path, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(root.parent.rglob("*"))
    status, said = run(command, root, capsys)
    assert status == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert message in said
    assert sorted(root.parent.rglob("*")) == before


def rewrite(root: Path, encoding: str, word: str) -> None:
    """Writes all text files in another encoding, with another name for the class `red`."""
    for path in root.rglob("*"):
        if path.suffix in SUFFIXES:
            path.write_bytes(path.read_text(encoding="utf-8").replace("red", word).encode(encoding))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("encoding", "word"), [("latin-1", "Größe"), ("gbk", "苹果")])
@pytest.mark.parametrize("kind", FORMATS)
def test_other_encodings(
    kind: str, encoding: str, word: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    FORMATS[kind](root)
    rewrite(root, encoding, word)
    if command == "check" and kind in ("voc", "labelme"):  # a file for each image: all are named
        status, said = run(command, root, capsys)
        assert (status, said) == (1, "")
    else:
        assert_refused(command, root, "save it as UTF-8", capsys)
    with pytest.raises(UserError, match=r"^[^\n]+: not text in [^\n]+; save it as UTF-8$"):
        AutoDataset(str(root)).load()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", FORMATS)
def test_encodings_with_a_mark(kind: str, encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "set"
    FORMATS[kind](root)
    rewrite(root, encoding, "苹果")
    assert run("check", root, capsys)[0] in (0, 1)
    assert "苹果" in {category.name for category in AutoDataset(str(root), allow_empty=True).load().categories}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("entity", [BOMB, EXTERNAL, ELSEWHERE])
@pytest.mark.parametrize("kind", ["voc", "cvat"])
def test_entities(kind: str, entity: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "set"
    FORMATS[kind](root)
    path = min(root.rglob("*.xml"))
    tag = "<annotations>" if kind == "cvat" else "<annotation>"
    text = path.read_text().replace(tag, f"{entity}{tag}").replace("red", "&e9;")
    path.write_text(text)
    if command == "check" and kind == "voc":
        assert run(command, root, capsys)[0] == 1
    else:
        assert_refused(command, root, f"{path}: ", capsys)


def empty(root: Path) -> str:
    root.mkdir()
    return "in no known format; looked for a JSON with images, annotations and categories (COCO); XML files"


def two_formats(root: Path) -> str:
    yolo(root)
    write_coco(root / "train.json", root / "train", noise_scenes(6))
    return "may be COCODataSet (train.json) and YOLODataSet (train); move the files of one of them elsewhere, or"


def yaml_without_names(root: Path) -> str:
    write_yolo(root, noise_scenes(6), yaml="train: images/train\nval: images/train\n")
    return "data.yaml: has no key 'names', the class names; expected the keys names, train and val"


def archive(root: Path) -> str:
    with zipfile.ZipFile(root, "w") as file:
        file.writestr("data.yaml", "")
    return "set: is an archive; expected a folder; unpack it and give the folder"


def archive_inside(root: Path) -> str:
    root.mkdir()
    archive(root / "all.zip")
    return "unpack all.zip and give its folder"


def cut_json(root: Path) -> str:
    coco(root)
    path = root / "train.json"
    path.write_text(path.read_text()[:-20])
    return "the file is probably cut short"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("make", [empty, two_formats, yaml_without_names, archive, archive_inside, cut_json])
def test_folders(make: Callable[[Path], str], command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(command, tmp_path / "set", make(tmp_path / "set"), capsys)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("9 .5 .5 .1 .1", "label 1: found the class 9; expected a class index from 0 to 2, the last of names"),
        ("0 .5 .5 .1", "label 1: found 4 columns; expected class x y w h"),
        ("0 .5 .5 .1 .1 7", "label 1: found 6 columns, the last one 7; expected class x y w h"),
    ],
)
def test_labels_of_yolo(line: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "set"
    yolo(root)
    (root / "labels" / "train" / "1.txt").write_text(f"{line}\n")
    for command in ("split", "convert"):
        assert_refused(command, root, f"1.txt: {message}", capsys)
    with pytest.raises(SystemExit) as end:
        main(["data", "check", str(root)])
    assert end.value.code == 1
    assert f"1.txt: {message}" in capsys.readouterr().out


def test_a_score_is_ignored_with_a_notice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "set"
    yolo(root)
    (root / "labels" / "train" / "1.txt").write_text("0 .5 .5 .1 .1 .9\n")
    assert run("convert", root, capsys)[0] == 0
    assert "labels end with a score" in caplog.text


@pytest.mark.parametrize("number", ["nan", "inf", "1e999"])
@pytest.mark.parametrize("kind", ["coco", "yolo", "csv"])
def test_numbers_that_are_none(kind: str, number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are counted by `check`, and left out of what is read for training."""
    root = tmp_path / "set"
    FORMATS[kind](root)
    if kind == "coco":
        content = json.loads((root / "train.json").read_text())
        content["annotations"][0]["bbox"][0] = float(number)
        (root / "train.json").write_text(json.dumps(content))
    elif kind == "yolo":
        (root / "labels" / "train" / "1.txt").write_text(f"0 {number} .5 .1 .1\n")
    else:
        with (root / "train.csv").open("a") as file:
            file.write(f"1.png,{number},1,9,9,red\n")
    with pytest.raises(SystemExit) as end:
        main(["data", "check", str(root)])
    assert end.value.code == 1
    assert "error: boxes_not_numbers (1 in train)" in capsys.readouterr().out
    boxes = [record.gt_bbox for record in AutoDataset(str(root)).load().records]
    assert all(abs(each).max(initial=0) < 1000 for each in boxes)


def test_an_image_of_labelme_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "set"
    write_labelme(root, noise_scenes(6))
    (root / "2.png").unlink()
    for command in ("split", "convert"):
        assert_refused(command, root, "2.json: imagePath: '2.png' is not there; put the image there", capsys)
