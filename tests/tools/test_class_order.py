"""Datasets that list the classes of the training in another order: every tool says so instead of mixing them up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.datasets import CLASSES
from tests.support.workspaces import ROOT, Tools, Workspace, coco_workspace, copy_to_spoil, voc_workspace

ANSWER = (
    "class 0 is 'blue' there but 'red' in {source}; found blue, green, red; expected red, green, blue; put its "
    "categories (JSON) or lines (label list) in that order, or add --remap_classes to match them by name"
)
EVERY_TOOL = [
    ("eval", "EvalDataset", []),
    ("infer", "TestDataset", ["--infer_dir", "data/val", "--output_dir", "out"]),
    ("export_model", "TestDataset", ["--output_dir", "out"]),
    ("post_quant", "EvalDataset", ["--output_dir", "out", "--calib_images", "2"]),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose run has a checkpoint."""
    workspace = coco_workspace(tmp_path_factory.mktemp("trained"))
    command = [sys.executable, ROOT / "tools" / "train.py", "-c", workspace.config, "-o", "epoch=1"]
    subprocess.run(command, check=True, capture_output=True)  # a process of its own: it sets up logging
    return workspace


@pytest.fixture
def copied(trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of it to spoil, and the current folder in it."""
    return copy_to_spoil(trained, tmp_path, monkeypatch)


def reverse_classes(workspace: Workspace, split: str) -> None:
    content = workspace.annotations(split)
    content["categories"].reverse()
    workspace.annotate(split, content)


@pytest.mark.parametrize(("tool", "slot", "more"), EVERY_TOOL)
def test_the_checkpoint_knows_the_order(tool: str, slot: str, more: list[str], tools: Tools, copied: Workspace) -> None:
    reverse_classes(copied, "val")
    (copied.data / "train.json").unlink()
    weights = copied.output / "model_final.pdparams"
    error = tools.fail(tool, "-c", copied.config, "-o", f"weights={weights}", *more)
    assert error.startswith(f"{slot}: " + ANSWER.format(source=f"the training of {weights}"))
    assert not (copied.root / "out" / "tiny" / "infer_cfg.yml").exists()


@pytest.mark.parametrize(("tool", "slot", "more"), EVERY_TOOL)
def test_weights_that_were_sent_know_it_too(
    tool: str, slot: str, more: list[str], tools: Tools, copied: Workspace
) -> None:
    reverse_classes(copied, "val")
    weights = shutil.copy(copied.output / "model_final.pdparams", copied.root / "sent.pdparams")
    error = tools.fail(tool, "-c", copied.config, "-o", f"weights={weights}", *more)
    assert error == f"{slot}: " + ANSWER.format(source=f"the training of {weights}")


@pytest.mark.parametrize(("tool", "slot", "more"), EVERY_TOOL)
def test_the_training_set_knows_it_too(tool: str, slot: str, more: list[str], tools: Tools, copied: Workspace) -> None:
    reverse_classes(copied, "val")
    error = tools.fail(tool, "-c", copied.config, "-o", f"weights={nameless(copied)}", *more)
    assert error == f"{slot}: " + ANSWER.format(source="TrainDataset")


def nameless(workspace: Workspace) -> Path:
    """The weights without the names of the classes, as earlier versions wrote them."""
    import paddle

    content = paddle.load(f"{workspace.output}/model_final.pdparams")
    del content["ppdet.classes"]
    paddle.save(content, f"{workspace.root}/nameless.pdparams")
    return workspace.root / "nameless.pdparams"


def test_weights_that_nothing_is_known_of_work_as_before(tools: Tools, copied: Workspace) -> None:
    options = ["-c", copied.config, "-o", f"weights={nameless(copied)}"]
    before, _ = tools.run("eval", *options)
    (copied.data / "train.json").unlink()
    assert tools.run("eval", *options)[0] == before
    error = tools.fail("eval", *options, "--remap_classes")
    assert error == (
        f"--remap_classes: {copied.root}/nameless.pdparams: no class names in it, nor in TrainDataset; give weights "
        "that a training wrote, or list the classes of the datasets in the order of the training"
    )


def test_names_that_nothing_gives_are_not_made_up(tools: Tools, copied: Workspace) -> None:
    """A label list that is missing is reported if no weights and no dataset name the classes."""
    for split in ("train", "val"):
        (copied.data / f"{split}.json").rename(copied.root / f"{split}.json")
    options = ["-c", copied.config, "-o", f"weights={nameless(copied)}"]
    infer = ["--infer_dir", "data/val", "--output_dir", "out"]
    for tool, more in (("infer", infer), ("export_model", ["--output_dir", "out"])):
        error = tools.fail(tool, *options, *more)
        assert error == (
            f"TestDataset.anno_path: there is no file {copied.data}/val.json, and neither the weights nor TrainDataset "
            "and EvalDataset name the classes; correct it, or leave it out to number them"
        )
    assert not (copied.root / "out").exists()
    tools.run("infer", *options, "TestDataset=!ImageFolder {}", *infer)


def test_exports_take_the_names_of_the_training_where_there_are_no_others(tools: Tools, copied: Workspace) -> None:
    reverse_classes(copied, "val")  # EvalDataset, which is not asked
    options = ["-c", copied.config, "-o", f"weights={copied.output}/model_final", "TestDataset.anno_path=none.json"]
    tools.run("export_model", *options, "--output_dir", "out")
    assert yaml.safe_load((copied.root / "out" / "tiny" / "infer_cfg.yml").read_text())["label_list"] == list(CLASSES)
    tools.run("infer", *options, "--infer_dir", "data/val", "--output_dir", "pictures", "--save_results")
    found = json.loads((copied.root / "pictures" / "bbox.json").read_text())
    assert {entry["category_id"] for entry in found} <= {11, 12, 13}  # as train.json numbers them


def test_a_training_does_not_go_on_with_other_classes(tools: Tools, copied: Workspace) -> None:
    for split in ("train", "val"):
        reverse_classes(copied, split)
    error = tools.fail("train", "-c", copied.config, "-r", "auto")
    assert error.startswith(
        "TrainDataset: " + ANSWER.format(source=f"the training of {copied.output}/model_final.pdparams")
    )


def test_training_compares_before_the_first_step(tools: Tools, coco: Workspace) -> None:
    reverse_classes(coco, "val")
    error = tools.fail("train", "-c", coco.config, "--eval")
    assert error.startswith("EvalDataset: " + ANSWER.format(source="TrainDataset"))
    assert not coco.output.exists()


def test_voc_classes_are_found_in_the_training_set_only(tools: Tools, tmp_path: Path) -> None:
    """Without a label list the validation folder, which lacks a class, is numbered as the training folder is."""
    voc = voc_workspace(tmp_path)
    val = tmp_path / "val"
    for folder in ("JPEGImages", "Annotations"):
        (val / folder).mkdir(parents=True)
        for file in (voc.data / folder).glob("val_*"):
            file.rename(val / folder / file.name)
    (voc.data / "val.txt").rename(val / "val.txt")
    for file in (val / "Annotations").glob("*.xml"):
        file.write_text(file.read_text().replace("<name>blue<", "<name>green<"))  # the first one, sorted
    text = voc.config.read_text().replace(", label_list: labels.txt", "").replace("data/labels.txt", "none.txt")
    voc.config.write_text(text.replace(f"{tmp_path}/data, anno_path: val.txt", f"{val}, anno_path: val.txt"))
    tools.run("train", "-c", voc.config, "--eval", "-o", "epoch=1")
    options = ["-c", voc.config, "-o", f"weights={voc.output}/model_final"]
    out, _ = tools.run("eval", *options, "--classwise")
    assert [line.split()[0] for line in out[out.index("name ") :].splitlines()[1:]] == ["blue", "green", "red"]
    tools.run("export_model", *options, "--output_dir", tmp_path / "out")
    config = yaml.safe_load((tmp_path / "out" / "tiny" / "infer_cfg.yml").read_text())
    assert config["label_list"] == ["blue", "green", "red"]
