"""Which file runs on which runtime, and what is said where none does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from ppdet.deploy import DeployError, Detector
from ppdet.deploy.backends.choose import choose

MODULES = {"openvino", "onnxruntime", "paddle"}


@pytest.fixture
def installed(monkeypatch):
    """Says which runtimes are there."""
    find = importlib.util.find_spec
    there = set(MODULES)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: (name in there or None) if name in MODULES else find(name)
    )
    return there


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("model.json", "model.pdiparams", "model.onnx", "model_int8.onnx", "model.xml", "model.bin"):
        (tmp_path / name).touch()
    return tmp_path


def test_auto_takes_the_fastest_that_is_there(folder, installed):
    assert choose(folder) == ("openvino", folder / "model.xml")
    assert choose(folder / "model_int8.onnx") == ("openvino", folder / "model_int8.onnx")
    (folder / "model.xml").unlink()
    assert choose(folder) == ("openvino", folder / "model.onnx")
    installed.remove("openvino")
    assert choose(folder) == ("onnxruntime", folder / "model.onnx")
    installed.remove("onnxruntime")
    assert choose(folder) == ("paddle", folder / "model.json")


def test_the_one_asked_for(folder, installed):
    assert choose(folder, "paddle") == ("paddle", folder / "model.json")
    assert choose(folder, "onnxruntime") == ("onnxruntime", folder / "model.onnx")
    (folder / "model.json").rename(folder / "model.pdmodel")
    assert choose(folder, "paddle") == ("paddle", folder / "model.pdmodel")


def test_int8_runs_only_where_it_is_named(tmp_path, installed):
    for name in ("model.onnx", "model_int8.xml", "int8_report.json", "model.pdmodel"):
        (tmp_path / name).touch()
    assert choose(tmp_path) == ("openvino", tmp_path / "model.onnx")
    assert choose(tmp_path, "paddle") == ("paddle", tmp_path / "model.pdmodel")
    for name in ("model.onnx", "model.pdmodel"):
        (tmp_path / name).unlink()
    with pytest.raises(DeployError, match=r"only INT8 models that auto runs \(model_int8.xml\); name the file"):
        choose(tmp_path)
    (tmp_path / "model_int8.xml").rename(tmp_path / "model_int8.ncnn.param")
    (tmp_path / "model_int8.ncnn.param.json").touch()
    with pytest.raises(DeployError, match=r"only INT8 models that auto runs \(model_int8.ncnn.param\); name the file"):
        choose(tmp_path)


def test_later_backends_do_not_matter(tmp_path, installed):
    for name in ("a.onnx", "b.onnx", "model.xml"):
        (tmp_path / name).touch()
    assert choose(tmp_path) == ("openvino", tmp_path / "model.xml")
    with pytest.raises(DeployError, match="has several models"):
        choose(tmp_path, "onnxruntime")


def test_another_name(tmp_path, installed):
    (tmp_path / "picodet.onnx").touch()
    assert choose(tmp_path)[1].name == "picodet.onnx"
    (tmp_path / "other.onnx").touch()
    with pytest.raises(DeployError, match=r"has several models \(other.onnx, picodet.onnx\); name the file"):
        choose(tmp_path)


def test_not_installed(folder, installed):
    installed.remove("openvino")
    with pytest.raises(DeployError, match=r'^backend openvino: not installed; pip install openvino, .* "\.\[deploy\]"'):
        choose(folder, "openvino")
    installed.clear()
    with pytest.raises(DeployError, match=r"^backend openvino or onnxruntime: not installed; pip install openvino or"):
        choose(folder / "model.onnx")
    (folder / "model.mnn").touch()
    with pytest.raises(DeployError, match=r'^backend mnn: not installed; pip install MNN, .* "\.\[mnn\]"$'):
        choose(folder / "model.mnn")


@pytest.mark.parametrize(
    ("name", "backend", "message"),
    [
        ("none", "auto", "none: there is no such file or folder"),
        ("notes.txt", "auto", "notes.txt: not a model file; expected .xml, .onnx"),
        ("empty", "auto", "empty: nothing that auto runs"),
        ("model.onnx", "paddle", "model.onnx: nothing that paddle runs"),
    ],
)
def test_nothing_to_run(name, backend, message, folder, installed):
    (folder / "notes.txt").touch()
    (folder / "empty").mkdir()
    with pytest.raises(DeployError, match=message):
        choose(folder / name, backend)


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        ("onnxruntime", "model.onnx"),
        ("openvino", "model.onnx"),
        ("openvino", "model.xml"),
        ("paddle", "model.json"),
        ("paddle", "model.pdmodel"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"This is not a model.", bytes(range(256)) * 40])
def test_not_a_model(backend, name, content, tmp_path):
    pytest.importorskip(backend)
    file = tmp_path / name
    file.write_bytes(content)
    for companion in (".bin", ".pdiparams"):
        file.with_suffix(companion).write_bytes(b"")
    with pytest.raises(DeployError) as raised:
        Detector(file, backend)
    assert str(raised.value).startswith(f"{file}: {backend} cannot load it (")
    assert "\n" not in str(raised.value)
    assert "Exception from" not in str(raised.value)


@pytest.mark.parametrize(
    ("backend", "name", "companion"),
    [("openvino", "model.xml", "model.bin"), ("paddle", "model.json", "model.pdiparams")],
)
def test_half_a_model(backend, name, companion, tmp_path):
    pytest.importorskip(backend)
    (tmp_path / name).write_text("{}")
    with pytest.raises(DeployError, match=f"{companion} is not beside it"):
        Detector(tmp_path, backend)
