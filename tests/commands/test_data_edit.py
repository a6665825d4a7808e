"""`ppdet data split | convert | merge | remap | subset` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppdet.cli import main
from tests.support.data_faults import FaultySet, clean_set


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FaultySet:
    return clean_set(tmp_path_factory.mktemp("clean") / "set")


def run(*args: object) -> None:
    main(["data", *map(str, args)])


def read(path: Path) -> dict[str, list[dict[str, object]]]:
    content: dict[str, list[dict[str, object]]] = json.loads(path.read_text())
    return content


def test_split(made: FaultySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in made.root.rglob("*") if path.is_file()}
    run("split", made.root, "--val", 0.25, "--seed", 1, "--output", tmp_path / "a")
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'a'}: written",
        "             train         val",
        "images          33          11",
        "boxes           99          33",
        "red     33 (33.3%)  11 (33.3%)",
        "green   33 (33.3%)  11 (33.3%)",
        "blue    33 (33.3%)  11 (33.3%)",
    ]
    assert {path: path.read_bytes() for path in made.root.rglob("*") if path.is_file()} == before
    for name, seed in (("b", 1), ("c", 2)):
        run("split", made.root, "--val", 0.25, "--seed", seed, "--output", tmp_path / name)
    first, again, other = ((tmp_path / name / "val.json").read_text() for name in "abc")
    assert first == again != other


def test_split_by_group_of_one_list(made: FaultySet, tmp_path: Path) -> None:
    run("split", made.root, "--split", "train", "--val", 0.4, "--by-group", r"(\d)\.png", "--output", tmp_path / "new")
    digits = [
        {str(image["file_name"])[-5] for image in read(tmp_path / "new" / f"{split}.json")["images"]}
        for split in ("train", "val")
    ]
    assert digits[0] | digits[1] == set("0123456789")
    assert not digits[0] & digits[1]


def test_convert(made: FaultySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("convert", made.root, "--to", "yolo", "--output", tmp_path / "yolo")
    run("convert", tmp_path / "yolo", "--split", "val", "--to", "coco", "--output", tmp_path / "coco")
    assert len(read(tmp_path / "coco" / "val.json")["annotations"]) == 60
    assert "- " not in capsys.readouterr().out  # nothing is lost


def test_a_split_named_by_its_file(made: FaultySet, tmp_path: Path) -> None:
    (tmp_path / "set" / "lists").mkdir(parents=True)
    (tmp_path / "set" / "images").symlink_to(made.root / "train")
    (tmp_path / "set" / "lists" / "old.json").symlink_to(made.root / "train.json")
    run("convert", tmp_path / "set", "--split", "lists/old.json", "--to", "voc", "--output", tmp_path / "voc")
    assert len((tmp_path / "voc" / "ImageSets" / "Main" / "lists_old.json.txt").read_text().split()) == 24


def test_merge_remap_and_subset(made: FaultySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("remap", made.root, "--classes", "red,blue->mixed", "--output", tmp_path / "remapped")
    assert capsys.readouterr().out.endswith("\n- 1 classes are left out with 44 objects: green\n")
    run("merge", made.root, tmp_path / "remapped", "--output", tmp_path / "merged")
    merged = read(tmp_path / "merged" / "val.json")
    assert [each["name"] for each in merged["categories"]] == ["red", "green", "blue", "mixed"]
    assert (len(merged["images"]), len(merged["annotations"])) == (20, 100)
    run("subset", made.root, "--number", 5, "--classes", "red", "--output", tmp_path / "few")
    assert len(read(tmp_path / "few" / "train.json")["images"]) == 5


OUTPUT = ["--output", "{tmp}/new"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["split", "{root}", "--val", "1.5", *OUTPUT], "argument --val: found '1.5'; expected a share between 0 and 1"),
        (["split", "{root}", "--val", "x", *OUTPUT], "argument --val: found 'x'; expected a share between 0 and 1"),
        (["split", "{root}", "--val", "nan", *OUTPUT], "argument --val: found 'nan'"),
        (["split", "{root}", *OUTPUT], "the following arguments are required: --val"),
        (["split", "{root}", "--val", "0.1"], "the following arguments are required: --output"),
        (["split", "{root}", "--val", "0.5", "--test", "0.5", *OUTPUT], "--val, --test: together take all images"),
        (["split", "{root}", "--val", "0.001", *OUTPUT], "--val: 0.001 of 44 images that form 44 groups is none"),
        (["split", "{root}", "--val", "0.1", "--by-group", "(", *OUTPUT], "--by-group: '(' is no regular expression"),
        (
            ["split", "{root}", "--val", "0.1", "--seed", "-1", *OUTPUT],
            "argument --seed: found '-1'; expected a number",
        ),
        (["split", "{root}", "--val", "0.1", "--output", "{root}/new"], "lies inside {root}, which stays as it is"),
        (["split", "{root}", "--val", "0.1", "--output", "{root}"], "--output: {root} exists already"),
        (["split", "{root}/none", "--val", "0.1", *OUTPUT], "none"),
        (["convert", "{root}", "--to", "labelme", *OUTPUT], "argument --to: invalid choice: 'labelme'"),
        (["convert", "{root}", "--to", "coco", "--output", "{root}/train.json/x"], "lies inside {root}"),
        (["convert", "{root}", "--to", "coco", "--split", "dev2", *OUTPUT], "has no split 'dev2'"),
        (["merge", "{root}", "{tmp}", *OUTPUT], "--output: {tmp}/new lies inside {tmp}"),
        (["remap", "{root}", "--classes", "a->", *OUTPUT], "--classes: found 'a->'; expected classes as in"),
        (
            ["remap", "{root}", "--classes", "rad", *OUTPUT],
            "--classes: the data has no class 'rad'; did you mean 'red'?",
        ),
        (["subset", "{root}", *OUTPUT], "--number, --classes: neither is given"),
        (["subset", "{root}", "--number", "0", *OUTPUT], "argument --number: found '0'; expected images, from 1"),
    ],
)
def test_bad_usage(
    args: list[str], message: str, made: FaultySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(*(each.format(root=made.root, tmp=tmp_path) for each in args))
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert message.format(root=made.root, tmp=tmp_path) in said
    assert list(tmp_path.iterdir()) == []


def test_a_faulty_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = clean_set(tmp_path / "set")
    made.train["annotations"][5]["image_id"] = 12345
    made.save()
    with pytest.raises(SystemExit):
        run("convert", made.root, "--to", "coco", "--output", tmp_path / "new")
    assert "train.json: annotations[5].image_id: found 12345; expected the id of one" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
