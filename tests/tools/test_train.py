"""tools/train.py from the command line to its files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from ppdet.core.config import load_config
from ppdet.data.loading.batch_sheet import SHEETS
from ppdet.optim.schedule import LearningRate
from tests.support.workspaces import Tools, Workspace, coco_workspace

LOSSES = {"loss", "loss_vfl", "loss_bbox", "loss_dfl"}
RECORDS = {"config.yml", "metrics.jsonl", "results.csv", *SHEETS}
PAGES = {"results.png", "report.html", "report_boxes.jsonl"}  # written if matplotlib and Jinja2 are there
CHECKPOINT = {".pdparams", ".pdema", ".pdopt", ".pdstate"}
LINE = re.compile(
    r"epoch 2/2 step 3/3 loss \d+\.\d+ loss_vfl \d+\.\d+ loss_bbox \d+\.\d+ loss_dfl \d+\.\d+ lr \d\.\d{6} "
    r"\d+\.\d images/s data \d\.\d{3} s step \d+\.\d{3} s memory \d+ MB eta 0:00:00$",
    re.MULTILINE,
)


def records(coco: Workspace) -> list[dict[str, float]]:
    return [json.loads(line) for line in (coco.output / "metrics.jsonl").read_text().splitlines()]


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def checkpoint(name: str) -> set[str]:
    return {name + suffix for suffix in CHECKPOINT}


def test_training_with_evaluation(tools: Tools, coco: Workspace) -> None:
    _, log = tools.run("train", "-c", coco.config, "--eval")
    assert "training tiny on " in log
    assert "6 images, 3 steps per epoch, 2 epochs, seed 7" in log
    assert LINE.search(log)
    assert re.search(r"epoch 2: AP \d\.\d{4}, best \d\.\d{4}", log)
    expected = checkpoint("0") | checkpoint("model_final") | checkpoint("best_model")
    assert files(coco.output) - PAGES == expected | RECORDS

    training = [record for record in records(coco) if record["kind"] == "train"]
    assert [(r["epoch"], r["step"], r["updates"]) for r in training] == [
        (1, 1, 1),
        (1, 2, 2),
        (1, 3, 3),
        (2, 1, 4),
        (2, 2, 5),
        (2, 3, 6),
    ]
    timing = {"lr", "images_per_second", "data_seconds", "step_seconds", "memory_mb", "eta_seconds"}
    for record in training:
        assert set(record) == {"kind", "epoch", "step", "updates"} | LOSSES | timing
        assert record["loss"] == pytest.approx(sum(record[name] for name in LOSSES - {"loss"}), rel=1e-5)
    assert [record["lr"] for record in training[:3]] == pytest.approx([0.001, 0.0055, 0.01])
    scores = [record for record in records(coco) if record["kind"] == "eval"]
    assert [record["epoch"] for record in scores] == [1, 2]
    assert all(0 <= record["AP"] <= record["AP50"] <= 1 for record in scores)


def test_the_best_model_can_be_left_out(tools: Tools, coco: Workspace) -> None:
    tools.run("train", "-c", coco.config, "--eval", "-o", "epoch=1", "keep_best_weight=false")
    assert not checkpoint("best_model") & files(coco.output)


def test_the_resolved_config_trains_again(tools: Tools, coco: Workspace) -> None:
    tools.run("train", "-c", coco.config, "-o", "epoch=1", "LCNet.scale=0.25")
    kept = coco.output / "config.yml"
    assert yaml.safe_load(kept.read_text())["LCNet"]["scale"] == 0.25
    assert load_config(kept) == load_config(coco.config, ["epoch=1", "LCNet.scale=0.25"])
    again = coco.root / "again"
    tools.run("train", "-c", kept, "-o", f"save_dir={again}")
    first, second = ((folder / "model_final.pdparams").read_bytes() for folder in (coco.output, again / "tiny"))
    assert first == second


def test_training_on_voc(tools: Tools, voc: Workspace) -> None:
    _, log = tools.run("train", "-c", voc.config, "--eval")
    assert "best" in log
    assert checkpoint("best_model") <= files(voc.output)


def test_training_goes_on_from_pretrained_weights(tools: Tools, coco: Workspace, weights: Path) -> None:
    _, log = tools.run("train", "-c", coco.config, "-o", "epoch=1", f"pretrain_weights={weights}")
    assert f"{weights}: loaded 442 of 442 tensors" in log


def test_a_drawn_seed_is_logged(tools: Tools, coco: Workspace) -> None:
    _, log = tools.run("train", "-c", coco.config, "-o", "epoch=1", "seed=null")
    drawn = re.search(r", seed (\d+)$", log, re.MULTILINE)
    assert drawn
    _, log = tools.run("train", "-c", coco.config, "-o", "epoch=1", "--seed", drawn[1])
    assert f", seed {drawn[1]}\n" in log


def test_amp_on_a_device_without_it(tools: Tools, coco: Workspace) -> None:
    _, log = tools.run("train", "-c", coco.config, "--amp", "-o", "epoch=1", "device=cpu")
    assert " W amp: cpu has no mixed precision, training in float32" in log


# ---- runs that cannot start ------------------------------------------------------------------------------------------


def test_fewer_images_than_a_batch(tools: Tools, tmp_path: Path) -> None:
    coco = coco_workspace(tmp_path, train=3)
    error = tools.fail("train", "-c", coco.config, "-o", "TrainReader.batch_size=4")
    assert error == (
        "TrainReader.batch_size: the dataset has 3 images but a batch needs 4; "
        "set TrainReader.batch_size to 3 or less, or TrainReader.drop_last to false"
    )
    _, log = tools.run("train", "-c", coco.config, "-o", "TrainReader.batch_size=4", "TrainReader.drop_last=false")
    assert "3 images, 1 steps per epoch" in log


def test_output_folder_that_cannot_be_made(tools: Tools, coco: Workspace) -> None:
    (coco.root / "file").write_text("mine")
    error = tools.fail("train", "-c", coco.config, "-o", f"save_dir={coco.root}/file/below")
    assert error == f"{coco.root}/file/below/tiny: cannot be written (Not a directory); check the folder"
    assert (coco.root / "file").read_text() == "mine"


def test_log_that_cannot_be_written(tools: Tools, coco: Workspace) -> None:
    (coco.output / "metrics.jsonl").mkdir(parents=True)
    error = tools.fail("train", "-c", coco.config)
    assert error.startswith(f"{coco.output}/metrics.jsonl: cannot be written (")


@pytest.mark.parametrize("place", ["nowhere", "output/tiny/7", "output/tiny/7.pdparams"])
def test_resuming_from_nothing(place: str, tools: Tools, coco: Workspace) -> None:
    error = tools.fail("train", "-c", coco.config, "-r", coco.root / place)
    assert error.startswith(f"{coco.root}/{place.removesuffix('.pdparams')}")
    assert not coco.output.exists()


def test_resuming_from_an_empty_folder(tools: Tools, coco: Workspace) -> None:
    coco.output.mkdir(parents=True)
    error = tools.fail("train", "-c", coco.config, "-r", coco.output)
    assert error == f"{coco.output}: there is no checkpoint (*.pdstate) to resume from"


def test_resuming_with_another_model(tools: Tools, coco: Workspace) -> None:
    tools.run("train", "-c", coco.config, "-o", "epoch=1")
    error = tools.fail("train", "-c", coco.config, "-r", coco.output, "-o", "LCNet.scale=0.5")
    assert error.startswith(f"{coco.output}/model_final")
    assert "another model" in error


# ---- runs that cannot go on ------------------------------------------------------------------------------------------


def test_loss_that_explodes(tools: Tools, coco: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    # from the second epoch on, by a rate that no config can have
    monkeypatch.setattr(LearningRate, "at", lambda _, step, steps: 0.01 if step < steps else 1e30)
    error = tools.fail("train", "-c", coco.config)
    assert re.match(
        r"loss: became (nan|inf|-inf) at step [56], images \d+\.png, \d+\.png; lower LearningRate.base_lr", error
    )
    assert files(coco.output) - PAGES == checkpoint("0") | RECORDS
    tools.run("eval", "-c", coco.config, "-o", f"weights={coco.output}/0")
