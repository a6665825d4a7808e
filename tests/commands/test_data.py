from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ppdet.cli import main
from tests.support.data_faults import NAMES, FaultySet, clean_set
from tests.test_startup import modules_after


@pytest.fixture
def made(tmp_path: Path) -> FaultySet:
    return clean_set(tmp_path / "set")


def status(*args: object, action: str = "check") -> int:
    """The exit status of an action; those other than `check` leave by returning if all is well."""
    try:
        main(["data", action, *map(str, args)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_nothing_is_wrong(made: FaultySet, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(made.root)
    assert status(made.root) == 0
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()[:3]] == [
        ["split", "images", "boxes", "classes"],
        ["train", "24", "72", "3"],
        ["val", "20", "60", "3"],
    ]
    assert out.endswith("0 kinds of errors, 0 of warnings, 0 notes\n")
    assert files_of(made.root) == before


def test_a_warning_is_no_error(made: FaultySet, capsys: pytest.CaptureFixture[str]) -> None:
    made.add_box((150, 10, 30, 30))
    made.save()
    assert status(made.root) == 0
    assert "warning: boxes_partly_outside (1 in train): boxes reach outside their image\n    e.g. 3.png\n" in (
        capsys.readouterr().out
    )


def test_an_error_and_the_report(made: FaultySet, tmp_path: Path) -> None:
    made.file.write_bytes(b"")
    report = tmp_path / "new" / "report.json"
    before = files_of(made.root)
    assert status(made.root, "--json", report) == 1
    assert files_of(made.root) == before
    found = json.loads(report.read_text(encoding="utf-8"))
    assert [(each["split"], each["images"], each["boxes"]) for each in found["splits"]] == [
        ("train", 24, 72),
        ("val", 20, 60),
    ]
    (finding,) = found["findings"]
    assert finding == {
        "name": "files_empty",
        "split": "train",
        "severity": "error",
        "count": 1,
        "what": "files are empty",
        "examples": ["3.png"],
        "advice": "fetch them again or leave them out; training skips a few, evaluation stops",
    }
    assert list(report.parent.iterdir()) == [report]


def test_a_copy_without_the_faults(made: FaultySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.add_box((50, 50, -20, 10))
    made.save()
    assert status(made.root, "--fix", tmp_path / "fixed") == 1
    said = "fixed: written, 0 images removed, 1 boxes changed, 0 boxes removed; check it as well for what no rule"
    assert said in capsys.readouterr().out
    assert status(tmp_path / "fixed") == 0
    assert status(made.root, "--fix", tmp_path / "fixed") == 2
    assert capsys.readouterr().err == f"error: --fix: {tmp_path / 'fixed'} exists already; give a new folder\n"


def test_text_that_no_file_can_hold(made: FaultySet, tmp_path: Path) -> None:
    made.train["annotations"].append({"id": 9999, "image_id": "\ud800", "category_id": 1})
    made.save()
    assert status(made.root, "--json", tmp_path / "report.json") == 1
    (finding,) = json.loads((tmp_path / "report.json").read_text())["findings"]
    assert finding["examples"] == ["annotations[72]: image_id \ud800"]


def test_one_split(made: FaultySet, capsys: pytest.CaptureFixture[str]) -> None:
    made.file.write_bytes(b"")
    assert status(made.root, "--split", "val") == 0
    assert "train" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none.yml"], "error: none.yml: "),
        (["{root}", "--split", "dev2"], "has no split 'dev2'"),
        (["{root}", "--size", "5"], "error: argument --size: found '5'; expected pixels, from 32 to 8192"),
        ([], "error: the following arguments are required: FOLDER|CONFIG"),
        (["{root}", "--json", "{root}/train.json/report.json"], "train.json/report.json: cannot be written"),
    ],
)
def test_bad_usage(args: list[str], message: str, made: FaultySet, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(*(arg.format(root=made.root) for arg in args)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_unreadable_json(made: FaultySet, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.root / "train.json"
    path.write_text(path.read_text()[:-50])
    assert status(made.root) == 2
    assert f"error: {path}: not valid JSON" in capsys.readouterr().err


def test_statistics(made: FaultySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(made.root)
    assert status(made.root, "--json", tmp_path / "stats.json", action="stats") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:5] == ["train", "24", "0", "72", "3.000"]
    assert [line.split()[:5] for line in lines[5:8]] == [["train", name, "24", "24", "0.333"] for name in NAMES]
    content = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    assert [(row["split"], row["boxes"]) for row in content["splits"]] == [("train", 72), ("val", 60)]
    assert files_of(made.root) == before


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("plot.jpg", "plot.jpg; expected a name that ends in .png"),
        ("plot.png", r"not installed; pip install matplotlib"),
    ],
)
def test_plots_that_cannot_be_drawn(
    path: str, message: str, made: FaultySet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert status(made.root, "--plot", path, action="stats") == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: --plot: ")
    assert message in said.err
    assert (said.err.count("\n"), said.out) == (1, "")


def test_pictures_of_a_folder(made: FaultySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(made.root)
    assert status(made.root, "--output", tmp_path / "shown", "--split", "train", action="show") == 0
    names = ["train_images.png", *(f"train_class_{k}_{name}.png" for k, name in enumerate(NAMES)), "train_smallest.png"]
    assert capsys.readouterr().out == f"{tmp_path / 'shown'}: written, 5 pages: {', '.join(names)}\n"
    assert sorted(file.name for file in (tmp_path / "shown").iterdir()) == sorted(names)
    assert files_of(made.root) == before


def test_pictures_of_a_config_and_its_batches(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(tiny, "--output", tmp_path / "shown", "--split", "train", action="show") == 0
    assert "train_smallest.png, train_batch0.jpg, train_batch1.jpg" in capsys.readouterr().out
    assert (tmp_path / "shown" / "train_batch1.jpg").is_file()


def test_batches_of_a_config_whose_batch_is_to_be_measured(tiny: Path, tmp_path: Path) -> None:
    """A training would measure; here all five images with boxes make one batch."""
    auto = tmp_path / "auto.yml"
    auto.write_text(f"_BASE_: {tiny}\nTrainReader: {{batch_size: auto}}\n")
    assert status(auto, "--output", tmp_path / "shown", "--split", "train", action="show") == 0
    assert (tmp_path / "shown" / "train_batch0.jpg").is_file()
    assert not (tmp_path / "shown" / "train_batch1.jpg").exists()


def test_batches_of_a_config_with_a_cache(tiny: Path, tmp_path: Path) -> None:
    """The cache, which would hold all images, is not made."""
    cached = tmp_path / "cached.yml"
    cached.write_text(f"_BASE_: {tiny}\nTrainReader: {{cache: disk, cache_dir: {tmp_path / 'cache'}}}\n")
    assert status(cached, "--output", tmp_path / "shown", "--split", "train", action="show") == 0
    assert (tmp_path / "shown" / "train_batch1.jpg").is_file()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--output", "{root}/shown"], "error: --output: {root}/shown lies inside {root}, which stays as it is"),
        (["--output", "{root}"], "error: --output: {root} exists already; give a new folder"),
        (["--output", "{root}/../new", "--seed", "-1"], "error: argument --seed: "),
        ([], "error: the following arguments are required: --output"),
    ],
)
def test_bad_usage_of_show(args: list[str], message: str, made: FaultySet, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(made.root, *(arg.format(root=made.root) for arg in args), action="show") == 2
    error = capsys.readouterr().err
    assert message.format(root=made.root) in error
    assert error.count("\n") == 1


def test_nothing_heavy_is_imported() -> None:
    assert not modules_after("import ppdet.commands.data") & {"paddle", "numba", "PIL", "pycocotools", "matplotlib"}
