"""A vendor's format is written, checked and refused, with converters that behave like the vendors'."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.deploy import Detector
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.deploy.checksum import model_checksum
from ppdet.export import formats, vendor_format
from ppdet.export.export import export
from ppdet.export.resolve import resolved
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.toolchain import TOOLCHAINS, Toolchain
from tests.support.small_onnx import small_model
from tests.support.tiny import make_run
from tests.support.trained import write_trained_config

pytest.importorskip("onnxruntime")
pytest.importorskip("paddle2onnx")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return write_trained_config(tmp_path_factory.mktemp("vendor"))


class OneImage(OnnxRuntime):
    """A runtime whose model takes one image."""

    def run(self, feeds) -> list[np.ndarray]:
        assert feeds["image"].shape[0] == 1
        return super().run(feeds)


def fake(convert) -> Toolchain:
    return Toolchain(".fake", (), ("json",), ("json",), convert, lambda job, threads: OneImage(job.target, threads))


def use(monkeypatch, convert) -> None:
    """Lets `ncnn` stand for a toolchain of this environment with another converter."""
    chain = fake(convert)
    monkeypatch.setitem(TOOLCHAINS, "ncnn", chain)
    monkeypatch.setitem(formats.EXPORT_FORMATS, "ncnn", formats._of_vendor(chain))


def faithful(job: Conversion) -> None:
    job.target.write_bytes(job.source.read_bytes())


@pytest.fixture(scope="module")
def exported(config, tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, faithful)
        return export(make_run(config, "export.format=ncnn"), tmp_path_factory.mktemp("exported"))


def test_files_and_their_config(exported) -> None:
    folder = exported
    assert sorted(path.name for path in folder.iterdir()) == ["infer_cfg.yml", "model.fake", "model.fake.json"]
    beside = json.loads((folder / "model.fake.json").read_text())
    assert beside.pop("checksum") == model_checksum(folder / "model.fake")
    assert beside == yaml.safe_load((folder / "infer_cfg.yml").read_text())
    assert beside["boxes"] == "input"


def test_a_wrong_conversion_is_refused_with_its_first_layer(config, exported, tmp_path, monkeypatch) -> None:
    import onnx

    def square_roots_left_out(job: Conversion) -> None:
        model = onnx.load(str(job.source))
        for node in model.graph.node:
            if node.op_type == "Sqrt":
                node.op_type = "Identity"
        onnx.save(model, str(job.target))

    use(monkeypatch, square_roots_left_out)
    converted = (exported / "model.fake").read_bytes()  # by paddle2onnx, which takes its time
    monkeypatch.setattr(vendor_format, "save_onnx", lambda graph, size, config, path: path.write_bytes(converted))
    with pytest.raises(UserError) as error:
        export(make_run(config, "export.format=ncnn"), tmp_path)
    assert "not written, since ncnn differ from the trained model by more than rounding" in str(error.value)
    assert "; the first layer that differs is Sqrt " in str(error.value)
    assert not list(tmp_path.rglob("model.fake"))


@pytest.mark.parametrize("refused", ["by the converter", "by the runtime"])
def test_a_layer_that_is_refused(tmp_path, refused) -> None:
    import onnx

    def convert(job: Conversion) -> None:
        content = job.source.read_bytes()
        if b"Transpose" in content and refused == "by the converter":
            raise UserError("export.format: fake's converter failed with status 1 (no Transpose)")
        job.target.write_bytes(content[:100] if b"Transpose" in content else content)

    (tmp_path / "vendor_source").mkdir()
    onnx.save(small_model(batch=1), str(tmp_path / "vendor_source" / "model.onnx"))
    image = np.ones((2, 3, 16, 16), np.float32)
    found = vendor_format.first_wrong_layer(fake(convert), tmp_path, [image], ExportSettings(), 1e-4)
    assert found == "; the first layer that differs is Transpose b2"


def test_settings_that_vendors_need(config) -> None:
    settings = resolved(make_run(config, "export.format=ncnn,mnn")).settings.export
    assert (settings.nms, settings.box_unit) == (False, "input")
    both = resolved(make_run(config, "export.format=onnx,mnn", "export.nms=false")).settings.export
    assert (both.nms, both.box_unit) == (False, "input")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["export.format=onnx,mnn"], "export.nms: found true, but mnn takes no NMS"),
        (["export.format=mnn", "export.boxes=image"], "export.boxes: found image, which takes a second input, but mnn"),
        (["export.format=mnn", "export.dynamic_size=true"], "export.dynamic_size: found true, but mnn needs a fixed"),
        (
            ["export.format=mnn", "export.input_dtype=uint8", "export.fuse_normalize=true"],
            "export.input_dtype: found uint8; expected float32 with mnn",
        ),
    ],
)
def test_settings_that_do_not_fit(config, overrides, message) -> None:
    with pytest.raises(UserError) as error:
        resolved(make_run(config, *overrides))
    assert str(error.value).startswith(message)


def test_layouts_of_runtimes() -> None:
    expected = np.arange(24.0).reshape(1, 2, 3, 4)
    for found in (expected, expected[0], np.moveaxis(expected, 1, -1)):
        np.testing.assert_array_equal(vendor_format.in_layout_of(expected, found), expected)
    assert vendor_format.in_layout_of(expected, expected[:, :1]) is None
    square = np.arange(16.0).reshape(1, 4, 4)  # as many classes as points
    np.testing.assert_array_equal(vendor_format.in_layout_of(square, square), square)


@pytest.mark.parametrize("name", ["ncnn", "mnn"])
def test_the_real_converter(config, tmp_path, name) -> None:
    for module in (*TOOLCHAINS[name].runtime, *TOOLCHAINS[name].tools):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    folder = export(make_run(config, f"export.format={name}"), tmp_path)
    detector = Detector(folder, name, threshold=0.0)
    assert detector.file.name == TOOLCHAINS[name].file
    assert len(detector.detect(np.full((60, 80, 3), 99, np.uint8)).boxes) > 0
