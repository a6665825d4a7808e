"""What is wrong in a config is said in one line, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ppdet.core.config import load_config
from tests.support.workspaces import Tools, Workspace, run_tool

TOOLS = ["train", "eval", "infer", "export_model"]


@pytest.mark.parametrize("name", TOOLS)
def test_missing_file(name: str, tools: Tools, tmp_path: Path) -> None:
    image = ["--infer_img", tmp_path / "a.png"] if name == "infer" else []
    error = tools.fail(name, "-c", tmp_path / "none.yml", *image)
    assert error.startswith(
        f"{tmp_path}/none.yml: cannot be read, no such file or directory; give the path of a config"
    )


def test_missing_base(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("_BASE_: other.yml\n")
    error = tools.fail("train", "-c", tmp_path / "mine.yml")
    assert error.startswith(f"{tmp_path}/other.yml: cannot be read")
    assert "mine.yml -> " in error


def test_yaml_syntax_names_the_line(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("epoch: 3\nLCNet: {scale: 1\nnext: 2\n")
    error = tools.fail("train", "-c", tmp_path / "mine.yml")
    assert error.startswith(f"{tmp_path}/mine.yml:3: not a valid config")


def test_base_cycle_names_the_chain(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("_BASE_: b.yml\n")
    (tmp_path / "b.yml").write_text("_BASE_: a.yml\n")
    error = tools.fail("train", "-c", tmp_path / "a.yml")
    assert f"{tmp_path}/b.yml: _BASE_ forms a cycle: {tmp_path}/a.yml -> " in error


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("epochs=3", "epochs: no such key; did you mean 'epoch'?"),
        ("LCNet.scle=1", "LCNet.scle: LCNet has no option 'scle'; did you mean 'scale'?"),
        ("PicoDet.backbone=LCNett", "PicoDet.backbone: no class 'LCNett' is registered; did you mean 'LCNet'?"),
        ("architecture=PicoDett", "architecture: no class 'PicoDett' is registered; did you mean 'PicoDet'?"),
        ("architecture=LCNet", "architecture: found 'LCNet'; expected PicoDet"),
        (
            "LearningRate.schedulers.0=!CosineDekay {max_epochs: 3}",
            "LearningRate.schedulers.0: no class 'CosineDekay' is",
        ),
        ("TrainDataset={name: COCODataset}", "TrainDataset: no class 'COCODataset' is registered; did you mean"),
        ("TrainReader.sample_transforms=[{Decod: {}}]", "did you mean 'Decode'?"),
        ("epoch=many", "epoch: expected "),
        ("epoch=0", "epoch: expected at least 1, found 0"),
        ("TrainReader.batch_size=2.5", "TrainReader.batch_size: expected "),
        ("TrainReader.batch_size=0", "TrainReader.batch_size: expected at least 1, found 0"),
        ("metric=coco", "metric: expected "),
        ("device=tpu", "device: 'tpu' is not there; available: "),
        ("OptimizerBuilder.optimizer.type=Adamm", "OptimizerBuilder.optimizer.type: expected one of "),
        ("OptimizerBuilder.optimizer.momentun=0.9", "OptimizerBuilder.optimizer.momentun: no option of Momentum"),
        ("no_equals_sign", "-o no_equals_sign: expected key.path=value"),
        ("LearningRate.base_lr=", "LearningRate.base_lr: expected "),
        ("LearningRate=", "LearningRate.base_lr: required, not given"),
        ("OptimizerBuilder=", "OptimizerBuilder.optimizer: required, not given"),
        ("PicoDet=", "PicoDet.backbone: required, not given"),
        ("TrainReader=", "TrainReader.sample_transforms: must begin with Decode"),
        ("TrainDataset=", "TrainDataset: "),
        ("export.nmss=true", "export.nmss: export has no option 'nmss'; did you mean 'nms'?"),
    ],
)
def test_wrong_value(override: str, said: str, tools: Tools, coco: Workspace) -> None:
    error = tools.fail("train", "-c", coco.config, "-o", override)
    assert said in error
    assert not coco.output.exists()


def without(key: str, coco: Workspace) -> Path:
    """A config of one's own, without `_BASE_`, that lacks `key`."""
    cfg = load_config(coco.config).to_dict()
    del cfg[key]
    (coco.root / "whole.yml").write_text(yaml.safe_dump(cfg))
    return coco.root / "whole.yml"


@pytest.mark.parametrize("key", ["TrainDataset", "TrainReader", "PicoDet", "LearningRate", "OptimizerBuilder", "epoch"])
def test_missing_section(key: str, tools: Tools, coco: Workspace) -> None:
    error = tools.fail("train", "-c", without(key, coco))
    assert error.startswith(key)
    assert "required, not given" in error or "must begin with Decode" in error


def test_infer_without_test_dataset(tools: Tools, coco: Workspace) -> None:
    error = tools.fail("infer", "-c", without("TestDataset", coco), "--infer_dir", coco.data / "val")
    assert error == "TestDataset: required, not given"


def test_infer_with_another_dataset(tools: Tools, coco: Workspace) -> None:
    options = ["-c", coco.config, "--infer_dir", coco.data / "val"]
    error = tools.fail("infer", *options, "-o", "TestDataset=!COCODataSet {dataset_dir: x}")
    assert error == "TestDataset: found COCODataSet; expected ImageFolder"
    assert "TestDataset: expected a dataset" in tools.fail("infer", *options, "-o", "TestDataset=!Decode {}")


def test_debug_shows_the_trace(coco: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run_tool("train", "-c", coco.config, "--debug", "-o", "epoch=0")
    assert exit_.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == "error: epoch: expected at least 1, found 0"
