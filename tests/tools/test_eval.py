"""tools/eval.py: scores on the console, detections in a file, and scores of such a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.workspaces import Tools, Workspace


def test_classwise_and_json(tools: Tools, coco: Workspace, weights: Path) -> None:
    folder = coco.root / "detections"
    out, log = tools.run("eval", "-c", coco.config, "-o", f"weights={weights}", "--classwise", "--output_eval", folder)
    assert len(re.findall(r"^ Average (Precision|Recall) ", out, re.MULTILINE)) == 12
    table = out[out.index("name ") :]
    assert [line.split()[0] for line in table.splitlines()] == ["name", "red", "green", "blue"]
    assert "= 0.0" in out
    assert re.search(r"maxDets=100 \] = 0\.[0-9]*[1-9]", out)  # some score is not zero

    found = json.loads((folder / "bbox.json").read_text())
    assert f"{folder}/bbox.json: {len(found)} detections written" in log
    assert {entry["category_id"] for entry in found} <= {11, 12, 13}
    assert {entry["image_id"] for entry in found} <= {1, 2, 3, 4}

    again, _ = tools.run("eval", "-c", coco.config, "--json_eval", "--classwise", "--output_eval", folder)
    assert again == out


def test_perfect_detections(tools: Tools, coco: Workspace) -> None:
    found = [{**annotation, "score": 0.9} for annotation in coco.annotations("val")["annotations"]]
    (coco.root / "bbox.json").write_text(json.dumps(found))
    out, _ = tools.run("eval", "-c", coco.config, "--json_eval", "-o", f"output_eval={coco.root}")
    assert "maxDets=100 ] = 1.000" in out.splitlines()[0]


def test_detections_made_elsewhere_need_no_images(tools: Tools, coco: Workspace) -> None:
    found = [{**annotation, "score": 0.9} for annotation in coco.annotations("val")["annotations"]]
    (coco.root / "bbox.json").write_text(json.dumps(found))
    for image in (coco.data / "val").iterdir():
        image.unlink()
    out, _ = tools.run("eval", "-c", coco.config, "--json_eval", "--output_eval", coco.root)
    assert "maxDets=100 ] = 1.000" in out.splitlines()[0]


def test_voc(tools: Tools, voc: Workspace, weights: Path) -> None:
    out, _ = tools.run("eval", "-c", voc.config, "-o", f"weights={weights}", "classwise=true")
    assert re.search(r"mAP\S* \d\.\d{4}", out)
    assert "green" in out


def test_json_eval_without_a_file(tools: Tools, coco: Workspace) -> None:
    error = tools.fail("eval", "-c", coco.config, "--json_eval", "--output_eval", coco.root / "none")
    assert error == f"{coco.root}/none/bbox.json: there is no such file; write it first with --output_eval"
    assert not (coco.root / "none").exists()


def test_json_of_something_else(tools: Tools, coco: Workspace) -> None:
    file = coco.root / "bbox.json"
    for text in ('[{"image_id": 1, "categ', "{}x", '{"a": 1}', "[1, 2]", '[{"image_id": 1}]', "null"):
        file.write_text(text)
        error = tools.fail("eval", "-c", coco.config, "--json_eval", "--output_eval", coco.root)
        assert error.startswith(f"{file}: ")
    file.write_text('[{"image_id": 1, "category_id": 99, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    assert "99" in tools.fail("eval", "-c", coco.config, "--json_eval", "--output_eval", coco.root)
    file.write_text('[{"image_id": 77, "category_id": 11, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    assert "77" in tools.fail("eval", "-c", coco.config, "--json_eval", "--output_eval", coco.root)


def test_output_folder_that_cannot_be_made(tools: Tools, coco: Workspace, weights: Path) -> None:
    (coco.root / "file").write_text("mine")
    error = tools.fail("eval", "-c", coco.config, "-o", f"weights={weights}", "--output_eval", coco.root / "file")
    assert error.startswith(f"{coco.root}/file/bbox.json: cannot be written (")
    assert (coco.root / "file").read_text() == "mine"


def test_report(tools: Tools, coco: Workspace, weights: Path) -> None:
    pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[report]")
    folder, run = coco.root / "report", ("-c", coco.config, "--output_eval", coco.root)
    out, log = tools.run("eval", *run, "-o", f"weights={weights}", "--report", folder)
    assert re.search(rf"{folder}/report\.html: written in [\d.]+ s", log)
    numbers = json.loads((folder / "report.json").read_text())
    scores = {each["name"]: each["value"] for each in numbers["scores"]}
    assert scores["AR100"] > 0
    assert f"maxDets=100 ] = {scores['AR100']:0.3f}" in out
    assert numbers["facts"]["weights"].startswith(f"{weights} (SHA-256 ")
    assert [each["training_boxes"] for each in numbers["classes"]] != [None] * 3
    assert "data:image/jpeg" in (folder / "report.html").read_text()

    again, _ = tools.run("eval", *run, "--json_eval", "--report", folder)
    assert again == out
    later = json.loads((folder / "report.json").read_text())
    assert later["facts"]["detections"].startswith(f"{coco.root}/bbox.json (SHA-256 ")
    assert later["confusion"] == numbers["confusion"]


def test_compare(tools: Tools, coco: Workspace, weights: Path) -> None:
    """With other weights, and with the detections of a file: the same numbers."""
    pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[report]")
    folder, run = coco.root / "report", ("-c", coco.config, "--output_eval", coco.root)
    perfect = [{**annotation, "score": 0.9} for annotation in coco.annotations("val")["annotations"]]
    (coco.root / "perfect.json").write_text(json.dumps(perfect))
    report = ("--report", folder, "--compare", coco.root / "perfect.json")
    _, log = tools.run("eval", *run, "-o", f"weights={weights}", *report)
    first = json.loads((folder / "compare.json").read_text())
    assert (first["a"], first["b"]) == (weights.name, "perfect.json")
    assert (first["scores"][0]["b"], first["scores"][0]["difference"]) == (1.0, first["scores"][0]["a"] - 1)
    assert f"{folder}/compare.html: " in log
    (coco.root / "bbox.json").replace(coco.root / "found.json")
    (coco.root / "perfect.json").replace(coco.root / "bbox.json")
    tools.run("eval", *run, "--json_eval", "--report", folder, "--compare", weights)
    turned = json.loads((folder / "compare.json").read_text())
    assert (turned["a"], turned["b"]) == ("bbox.json", weights.name)
    assert turned["scores"][0]["b"] == pytest.approx(first["scores"][0]["a"], abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--compare", "other"), "--compare: found without --report; expected a folder for the page; add --report DIR"),
        (
            ("--compare", "none.json", "--report", "report"),
            "--compare: none.json: there is no such file; write it first with",
        ),
    ],
)
def test_compare_with_nothing(tools: Tools, coco: Workspace, options: tuple[str, ...], message: str) -> None:
    if "--report" in options:
        pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
        pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[report]")
    options = tuple(str(coco.root / each) if each == "report" else each for each in options)
    assert tools.fail("eval", "-c", coco.config, "-o", "weights=none", *options).startswith(message)


def test_report_into_a_file(tools: Tools, coco: Workspace) -> None:
    """It is refused before the model runs."""
    pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
    (coco.root / "file").write_text("mine")
    error = tools.fail("eval", "-c", coco.config, "-o", "weights=none", "--report", coco.root / "file")
    assert error.startswith(f"{coco.root}/file: cannot be written (")
    assert error.endswith("choose another --report")
