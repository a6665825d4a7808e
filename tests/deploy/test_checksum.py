"""Damaged model files are found before they are used; infer_cfg may be edited."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from ppdet.deploy import DeployError, Detector
from ppdet.deploy.checksum import model_checksum
from ppdet.export.export import export
from ppdet.training.checkpoint import save_weights
from tests.support.tiny import make_run, write_config, write_dataset
from tests.support.trained import installed_formats

IMAGE = np.full((60, 80, 3), 99, np.uint8)
FILES = {
    "model.json": "paddle",
    "model.pdmodel": "paddle",
    "model.pdiparams": "paddle",
    "model.onnx": "onnxruntime",
    "model.xml": "openvino",
    "model.bin": "openvino",
}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checksum")
    write_dataset(folder)
    config = write_config(folder)
    weights = folder / "weights.pdparams"
    run = make_run(config)
    model = run.build_model()
    save_weights(folder / "weights", model, model.state_dict())
    return export(make_run(config, f"weights={weights}", f"export.format={','.join(installed_formats())}"), folder)


@pytest.fixture
def exported(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "export"))


def existing(folder: Path, name: str) -> Path:
    pytest.importorskip(FILES[name])
    if not (folder / name).is_file():
        pytest.skip(f"{name} is not written here")
    return folder / name


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_used(name, exported):
    existing(exported, name)
    detector = Detector(exported, FILES[name])
    assert detector.config.checksum == model_checksum(detector.file)
    detector.detect(IMAGE)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_a_flipped_bit(name, place, exported):
    file = existing(exported, name)
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 4
    file.write_bytes(content)
    with pytest.raises(DeployError) as raised:
        Detector(exported, FILES[name])
    assert str(exported) in str(raised.value)
    assert "\n" not in str(raised.value)
    if name in ("model.pdiparams", "model.bin"):
        assert "are not as they were exported: damaged, or changed by a tool" in str(raised.value)


def test_weights_of_another_model(exported):
    weights = existing(exported, "model.pdiparams")
    content = np.frombuffer(weights.read_bytes(), np.uint8).copy()
    content[-400:-200] = content[-200:]
    weights.write_bytes(content.tobytes())
    with pytest.raises(DeployError, match="or remove `checksum` from .*infer_cfg.yml to use them"):
        Detector(exported, "paddle")
    file = exported / "infer_cfg.yml"
    file.write_text("".join(line for line in file.open() if not line.startswith("checksum")))
    Detector(exported, "paddle").detect(IMAGE)


def test_infer_cfg_may_be_edited(exported):
    existing(exported, "model.pdiparams")
    file = exported / "infer_cfg.yml"
    config = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(config | {"draw_threshold": 0.25, "label_list": ["a", "b", "c"]}))
    detector = Detector(exported, "paddle")
    assert (detector.threshold, detector.labels) == (0.25, ("a", "b", "c"))


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_metadata_of_onnx_may_be_edited(backend, exported):
    onnx = pytest.importorskip("onnx")
    file = existing(exported, "model.onnx")
    pytest.importorskip(backend)
    model = onnx.load(file)
    config = json.loads(model.metadata_props[0].value)
    onnx.helper.set_model_props(model, {"infer_cfg": json.dumps(config | {"draw_threshold": 0.25}), "author": "me"})
    onnx.save(model, file)
    assert Detector(file, backend).threshold == 0.25


def test_an_export_of_another_format_keeps_the_checksum_of_the_paddle_model(exported, original):
    existing(exported, "model.pdiparams")
    pytest.importorskip("paddle2onnx")
    before = yaml.safe_load((exported / "infer_cfg.yml").read_text())["checksum"]
    target = exported.rename(exported.parent / original.name)
    run = make_run(
        original.parent / "tiny.yml", f"weights={original.parent / 'weights.pdparams'}", "export.format=onnx"
    )
    export(run, target.parent)
    assert yaml.safe_load((target / "infer_cfg.yml").read_text())["checksum"] == before
    Detector(target, "paddle").detect(IMAGE)
