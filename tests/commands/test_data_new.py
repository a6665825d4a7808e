"""`ppdet data new` from the command line."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ppdet.cli import main
from ppdet.core.config import load_config
from tests.data_new.conftest import MakeYolo, make_yolo  # noqa: F401  # a fixture
from tests.support.data_faults import clean_set
from tests.support.workspaces import ROOT


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*args: object) -> None:
    main(["data", "new", *map(str, args)])


def test_the_summary(make_yolo: MakeYolo, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    make_yolo(name="blood cells")
    run("blood cells", "--model", "picodet_xs_320")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "blood cells.yml: written",
        "             train        val",
        "images          34          6",
        "boxes          102         18",
        "red     34 (33.3%)  6 (33.3%)",
        "green   34 (33.3%)  6 (33.3%)",
    ]
    assert lines[7] == "- blood cells: taken for YOLODataSet"
    assert lines[-5:] == [
        "",
        "next:",
        "  ppdet data check 'blood cells.yml'",
        "  ppdet data show 'blood cells.yml' --output 'blood cells_pages'",
        "  ppdet train -c 'blood cells.yml' --eval",
    ]


def test_weights_of_ones_own(make_yolo: MakeYolo, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "own.pdparams").write_bytes(pickle.dumps({"weight": np.ones(2, np.float32)}))
    run(make_yolo(), "--model", "picodet_xs", "--weights", "own.pdparams", "--val", 0.25)
    assert load_config("cells.yml")["pretrain_weights"] == "own.pdparams"
    assert "# 30 images" in Path("cells.yml").read_text()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none"], "none: there is no such folder (images and labels); check the path"),
        (["empty"], "empty: in no known format; looked for "),
        (["set.zip"], "set.zip: is an archive; expected a folder; unpack it and give the folder"),
        (["images"], "images: in no known format; looked for "),
        (["two"], "two: may be COCODataSet (train.json) and YOLODataSet (all)"),
        (["cells", "--model", "yolov8n"], "--model: found 'yolov8n'; expected picodet_xs, picodet_s"),
        (["cells", "--output", "there.yml"], "--output: there.yml exists already, and stays as it is"),
        (["cells", "--output", "listed.yml"], "--output: listed_lists exists already; give a new folder"),
        (["cells", "--output", "cells/my.yml"], "--output: cells/my.yml lies inside cells, which stays as it is"),
        (["cells", "--output", "my.json"], "--output: my.json is no name of a config; expected one that ends in .yml"),
        (["cells", "--weights", "none.pdparams"], "--weights: none.pdparams is no file; expected weights"),
        (["cells", "--weights", "there.yml"], "there.yml: "),
        (["cells", "--val", "1"], "argument --val: found '1'; expected a share between 0 and 1, as 0.1"),
        (["cells", "--val", "0.001"], "--val: 0.001 of 40 images that form 40 groups is none; give a larger share"),
        (["own", "--val", "0.2"], "--val: own has a validation split of its own; leave the option out"),
        (["beyond"], "class 3"),
        (["unlabeled"], "in no known format"),
        (["single"], "of 1 images that form 1 groups is none; give a larger share, or more images"),
    ],
)
def test_bad_usage(
    args: list[str],
    message: str,
    make_yolo: MakeYolo,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_yolo()
    make_yolo(1, name="single")
    (tmp_path / "empty").mkdir()
    clean_set(tmp_path / "own")
    make_yolo(2, name="images")
    for name in ("classes.txt", *(f"labels/{number}.txt" for number in range(2))):
        (tmp_path / "images" / name).unlink()
    clean_set(make_yolo(2, name="two") / "coco").root.rename(tmp_path / "coco")
    for path in (tmp_path / "coco").iterdir():
        path.rename(tmp_path / "two" / path.name)
    (tmp_path / "coco").rmdir()
    (make_yolo(2, name="beyond") / "labels" / "1.txt").write_text("3 0.5 0.5 0.1 0.1\n")
    for file in (make_yolo(2, name="unlabeled") / "labels").iterdir():
        file.unlink()
    (tmp_path / "there.yml").write_text("a: 1\n")
    (tmp_path / "set.zip").write_bytes(b"PK")
    (tmp_path / "listed_lists").mkdir()
    (tmp_path / "listed_lists" / "old").touch()
    before = sorted(tmp_path.rglob("*"))
    given = args if "--model" in args else [*args, "--model", "picodet_s_320"]
    with pytest.raises(SystemExit) as end:
        run(*given)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert message in said
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_the_config_trains_as_it_is(make_yolo: MakeYolo, tmp_path: Path) -> None:  # noqa: F811
    """Two commands, no editing; the test alone shortens the run and leaves out the download of weights."""
    make_yolo(12)
    shorter = ["epoch=1", "LearningRate.schedulers.0.max_epochs=1", "LearningRate.schedulers.1.steps=1"]
    for command in (
        ["data", "new", "cells", "--model", "picodet_xs_320"],
        ["train", "-c", "cells.yml", "--eval", "-o", *shorter, "pretrain_weights=null"],
        ["infer", "-c", "cells.yml", "--infer_dir", "cells/images", "--output_dir", "drawn"],
    ):
        process = [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); from ppdet.cli import main; main()",
        ]
        done = subprocess.run([*process, *command], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "output" / "cells" / "best_model.pdparams").is_file()
    assert len(list((tmp_path / "drawn").iterdir())) == 12
