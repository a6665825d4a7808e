"""`--remap_classes`: datasets in another order give what they give in the order of the training, to the last digit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import yaml

from ppdet import PicoDet
from ppdet.data.datasets import Category
from tests.support.datasets import CLASSES
from tests.support.workspaces import Tools, Workspace, coco_workspace, copy_to_spoil, guessing_weights, voc_workspace

Content = dict[str, Any]
Change = Callable[[Content], Content]
TOOLS = {
    "eval": ("EvalDataset", []),
    "infer": ("TestDataset", ["--infer_dir", "data/val", "--output_dir", "out"]),
    "export_model": ("TestDataset", ["--output_dir", "out"]),
    "post_quant": ("EvalDataset", ["--output_dir", "out", "--calib_images", "2"]),
}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with `guessing.pdparams`: scores are spread over 0..1, classes are those of the training set."""
    workspace = coco_workspace(tmp_path_factory.mktemp("coco"), val=8)
    categories = [Category(each["id"], each["name"]) for each in workspace.annotations("train")["categories"]]
    guessing_weights(workspace.config, workspace.root / "guessing", categories)
    make_findable(workspace)
    return workspace


def make_findable(workspace: Workspace) -> None:
    """Every other one of the model's first boxes of each class becomes an object of the images, so that AP is high."""
    content = workspace.annotations("val")
    detector, objects = PicoDet(workspace.config, workspace.root / "guessing.pdparams"), []
    for image in content["images"]:
        found = detector.predict(workspace.data / "val" / image["file_name"], threshold=0.01)[0].entries()
        for class_index in range(len(CLASSES)):
            for entry in [each for each in found if each["category_id"] == class_index][:4:2]:
                shape = {"bbox": entry["bbox"], "area": entry["bbox"][2] * entry["bbox"][3], "iscrowd": 0}
                ids = {"id": len(objects) + 1, "image_id": image["id"], "category_id": 11 + class_index}
                objects.append(ids | shape)
    workspace.annotate("val", content | {"annotations": objects})


@pytest.fixture
def workspace(untouched: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy to spoil, without training set, and the current folder in it."""
    return copy_to_spoil(untouched, tmp_path, monkeypatch)


def scores(workspace: Workspace, weights: str = "guessing.pdparams") -> dict[str, float]:
    """COCO's numbers, with all digits."""
    return PicoDet(workspace.config, weights).eval(overrides={"remap_classes": True})


def options(workspace: Workspace, *overrides: str) -> list[Any]:
    return ["-c", workspace.config, "-o", "weights=guessing.pdparams", *overrides]


def reversed_order(content: Content) -> Content:
    return content | {"categories": content["categories"][::-1]}


def renamed(content: Content, names: dict[str, str]) -> Content:
    categories = [each | {"name": names.get(each["name"], each["name"])} for each in content["categories"]]
    return content | {"categories": categories}


def with_zebras(content: Content) -> Content:
    """A class before the others, with a box on the first image that has the largest area."""
    box = {"id": 999, "image_id": content["images"][0]["id"], "category_id": 5, "bbox": [1, 1, 60, 40], "iscrowd": 0}
    zebra = {"id": 5, "name": "zebra"}
    return content | {
        "categories": [zebra, *content["categories"]],
        "annotations": [*content["annotations"], box | {"area": 2400}],
    }


def without_green(content: Content) -> Content:
    kept = [each for each in content["annotations"] if each["category_id"] != 12]
    return content | {"annotations": kept}


def without_class_green(content: Content) -> Content:
    kept = [each for each in content["categories"] if each["name"] != "green"]
    return without_green(content) | {"categories": kept}


SAME: dict[str, tuple[Change, Change, str]] = {
    "another order": (
        reversed_order,
        lambda content: content,
        "blue 0 as 2, green 1 as 1, red 2 as 0; left out of the data set: none; not in it: none",
    ),
    "a class more": (
        with_zebras,
        lambda content: content,
        "red 1 as 0, green 2 as 1, blue 3 as 2; left out of the data set: zebra; not in it: none",
    ),
    "a class less": (
        without_class_green,
        without_green,
        "red 0 as 0, blue 1 as 2; left out of the data set: none; not in it: green",
    ),
    "case and blanks": (
        lambda content: renamed(reversed_order(content), {"blue": "Blue", "red": " R ed"}),
        lambda content: content,
        "Blue 0 as 2 (blue), green 1 as 1,  R ed 2 as 0 (red); left out of the data set: none; not in it: none",
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_the_scores_are_equal_to_the_last_digit(case: str, tools: Tools, workspace: Workspace) -> None:
    change, right, line = SAME[case]
    original = workspace.annotations("val")
    workspace.annotate("val", right(original))
    expected = scores(workspace)
    table, _ = tools.run("eval", *options(workspace), "--classwise", "--output_eval", "right")
    assert 0.2 < expected["AP"] < 1
    workspace.annotate("val", change(original))
    error = tools.fail("eval", *options(workspace))
    assert error.startswith("EvalDataset: ")
    assert error.endswith(("to match them by name", "to match by name what is in both"))
    more = ["--classwise", "--output_eval", "remapped", "--remap_classes"]
    out, log = tools.run("eval", *options(workspace), *more)
    assert out == table
    assert f"EvalDataset: classes matched by name with the training of guessing.pdparams: {line}\n" in log
    assert log.count("classes matched by name") == 1
    if case != "a class less":  # whose id is not in the data set
        assert Path("remapped/bbox.json").read_text() == Path("right/bbox.json").read_text()
    assert tools.run("eval", *options(workspace), *more, "--json_eval")[0] == table
    assert scores(workspace) == expected


def test_voc_as_well(tools: Tools, workspace: Workspace, tmp_path: Path) -> None:
    voc = voc_workspace(tmp_path / "voc", val=8)
    weights = ["-c", voc.config, "-o", f"weights={workspace.root}/guessing.pdparams"]
    expected, _ = tools.run("eval", *weights, "--classwise")
    assert "mAP 0.0000" not in expected
    labels = voc.data / "labels.txt"
    labels.write_text("".join(f"{name}\n" for name in reversed(labels.read_text().split())))
    assert tools.fail("eval", *weights).startswith("EvalDataset: class 0 is 'blue' there but 'red' in the training of")
    assert tools.run("eval", *weights, "--classwise", "--remap_classes")[0] == expected


@pytest.mark.parametrize("tool", TOOLS)
def test_weights_of_another_data_set(tool: str, tools: Tools, workspace: Workspace) -> None:
    slot, more = TOOLS[tool]
    names = {name: f"{name} bird" for name in CLASSES}
    for split in ("train", "val"):
        workspace.annotate(split, renamed(workspace.annotations(split), names))
    lists = "found red bird, green bird, blue bird; expected red, green, blue; no class is in both: check -c "
    lists += "and the weights"
    text = f"class 0 is 'red bird' there but 'red' in the training of guessing.pdparams; {lists}"
    assert tools.fail(tool, *options(workspace), *more) == f"{slot}: {text}"
    assert tools.fail(tool, *options(workspace), *more, "--remap_classes") == f"{slot}: --remap_classes: {text}"
    assert not Path("out").exists()


@pytest.mark.parametrize("tool", TOOLS)
def test_weights_of_another_number_of_classes(tool: str, tools: Tools, workspace: Workspace) -> None:
    """The data set and num_classes agree; the weights know a class more."""
    slot, more = TOOLS[tool]
    for split in ("train", "val"):
        workspace.annotate(split, without_class_green(workspace.annotations(split)))
    error = tools.fail(tool, *options(workspace, "num_classes=2"), *more)
    assert error.startswith(
        f"{slot}: class 1 is 'blue' there but 'green' in the training of guessing.pdparams; found red"
    )
    error = tools.fail(tool, *options(workspace, "num_classes=2"), *more, "--remap_classes")
    assert error == (
        "num_classes: found 2; expected 3 with --remap_classes, the classes of the training of guessing.pdparams (red, "
        "green, blue); set num_classes: 3"
    )


def test_inference_and_export_by_name(tools: Tools, workspace: Workspace) -> None:
    """Names come from the weights, ids from the data set."""
    infer = ["--infer_dir", "data/val", "--save_results", "--output_dir"]
    tools.run("infer", *options(workspace), *infer, "right")
    workspace.annotate("val", reversed_order(workspace.annotations("val")))
    _, log = tools.run("infer", *options(workspace), *infer, "remapped", "--remap_classes")
    assert log.count("TestDataset: classes matched by name with the training of guessing.pdparams: blue 0 as 2") == 1
    for name in ("bbox.json", "1.png", "2.png"):
        assert Path("remapped", name).read_bytes() == Path("right", name).read_bytes()
    tools.run("export_model", *options(workspace), "--output_dir", "out", "--remap_classes")
    config = yaml.safe_load(Path("out/tiny/infer_cfg.yml").read_text())
    assert config["label_list"] == list(CLASSES)
    assert config["category_ids"] == [11, 12, 13]


def test_a_label_list_has_the_ids_of_the_training(tools: Tools, workspace: Workspace) -> None:
    labels = workspace.data / "labels.txt"
    for order, flags in ((CLASSES, []), (CLASSES[::-1], ["--remap_classes"])):
        labels.write_text("\n".join(order))
        overrides = [f"TestDataset.anno_path={labels}"]
        tools.run("export_model", *options(workspace, *overrides), "--output_dir", "out", *flags)
        config = yaml.safe_load(Path("out/tiny/infer_cfg.yml").read_text())
        assert (config["label_list"], config["category_ids"]) == (list(CLASSES), [11, 12, 13])
    labels.unlink()
    _, log = tools.run("export_model", *options(workspace, *overrides), "--output_dir", "other")
    config = yaml.safe_load(Path("other/tiny/infer_cfg.yml").read_text())
    assert (config["label_list"], config["category_ids"]) == (list(CLASSES), [11, 12, 13])
    assert f"{labels}: there is no such file; the class names are those of the training of guessing.pdparams" in log


@pytest.mark.slow
def test_int8_is_scored_by_name(tools: Tools, workspace: Workspace) -> None:
    def scored(*flags: str) -> dict[str, Any]:
        tools.run("post_quant", *options(workspace), "--output_dir", "out", "--calib_images", "4", *flags)
        report = json.loads(Path("out/tiny/int8_report.json").read_text())
        return {name: values for name, values in report.items() if name != "latency"}

    expected = scored()
    for split in ("train", "val"):
        workspace.annotate(split, reversed_order(workspace.annotations(split)))
    found = scored("--remap_classes")
    assert without_times(found) == without_times(expected)


def without_times(report: Any) -> Any:
    """The report without what differs from run to run."""
    if isinstance(report, dict):
        return {key: without_times(each) for key, each in report.items() if "ms" not in key and "latency" not in key}
    return [without_times(each) for each in report] if isinstance(report, list) else report


def test_suspects_are_the_same(tools: Tools, workspace: Workspace) -> None:
    def suspects(folder: str, *flags: str) -> str:
        tools.run("data", "suspects", *options(workspace), "--output", folder, "--pictures", "0", *flags)
        return Path(folder, "suspects.csv").read_text()

    expected = suspects("right")
    assert len(expected.splitlines()) > 10
    workspace.annotate("val", reversed_order(workspace.annotations("val")))
    error = tools.fail("data", "suspects", *options(workspace), "--output", "wrong")
    assert error.startswith(
        "EvalDataset: class 0 is 'blue' there but 'red' in the training of guessing.pdparams; found"
    )
    assert suspects("remapped", "--remap_classes") == expected


def test_calibration_with_other_classes(tools: Tools, workspace: Workspace) -> None:
    workspace.annotate("train", reversed_order(workspace.annotations("train")))
    more = ["--output_dir", "out", "--calib_images", "2"]
    error = tools.fail("post_quant", *options(workspace), *more)
    assert error.startswith(
        "TrainDataset: class 0 is 'blue' there but 'red' in the training of guessing.pdparams; found"
    )
    assert not Path("out").exists()


def test_training_by_name(tools: Tools, workspace: Workspace) -> None:
    """Scores of the epochs, and weights of a run that goes on with other lists, are those of the lists in order."""
    train = ["-c", workspace.config, "--seed", "3"]
    start = ["--eval", "-o", "pretrain_weights=guessing.pdparams"]
    tools.run("train", *train, *start, "save_dir=a")
    workspace.annotate("val", reversed_order(workspace.annotations("val")))
    _, log = tools.run("train", *train, "--remap_classes", *start, "save_dir=b")
    assert "EvalDataset: classes matched by name with TrainDataset: blue 0 as 2, green 1 as 1, red 2 as 0;" in log
    assert evaluations("b") == evaluations("a")
    workspace.annotate("train", reversed_order(workspace.annotations("train")))
    resume = ["-r", "b/tiny/0.pdparams", "-o", "save_dir=b"]
    assert "TrainDataset: class 0 is 'blue' there but 'red' in the training of" in tools.fail("train", *train, *resume)
    _, log = tools.run("train", *train, "--remap_classes", *resume)
    assert "TrainDataset: classes matched by name with the training of b/tiny/0.pdparams: blue 0 as 2" in log
    expected, found = (paddle.load(f"{run}/tiny/model_final.pdparams", return_numpy=True) for run in "ab")
    assert found.pop("ppdet.classes") == expected.pop("ppdet.classes") == [[11, "red"], [12, "green"], [13, "blue"]]
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def evaluations(save_dir: str) -> list[dict[str, Any]]:
    lines = Path(save_dir, "tiny", "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    found = [{key: each[key] for key in ("epoch", "AP", "AP50", "AR100")} for each in records if each["kind"] == "eval"]
    assert len(found) == 2
    return found
