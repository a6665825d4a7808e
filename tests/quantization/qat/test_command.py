"""`ppdet quantize --qat`."""

from __future__ import annotations

import json
import shutil

import pytest

from ppdet.commands import int8_training
from ppdet.commands.int8_training import Int8Training, train_in_int8, training_target
from ppdet.core.errors import UserError
from ppdet.quantization.quantize import QuantizeSettings, quantize
from tests.support.tiny import make_run


def test_options() -> None:
    assert Int8Training.parse("epochs=3") == Int8Training(3)
    assert Int8Training.parse("lr=0.02, epochs=3,batch_size=4") == Int8Training(3, 0.02, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--qat: found ''; expected epochs=N, and if wanted lr=X and batch_size=N, with commas"),
        ("3", "--qat: found '3'; expected epochs=N,"),
        ("epochs=3,epochs=4", "--qat: found 'epochs=4'; expected epochs=N,"),
        ("lr=0.1", "--qat: found 'lr=0.1'; expected epochs=N,"),
        ("epochs=0", "--qat: epochs: found '0'; expected a number above 0"),
        ("epochs=2.5", "--qat: epochs: found '2.5'; expected a number above 0"),
        ("epochs=2,lr=nan", "--qat: lr: found 'nan'; expected a number above 0"),
        ("epochs=2,lr=inf", "--qat: lr: found 'inf'; expected a number above 0"),
        ("epochs=2,batch_size=many", "--qat: batch_size: found 'many'; expected a number above 0"),
    ],
)
def test_options_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        Int8Training.parse(text)
    assert str(error.value).startswith(message)


def test_without_weights(tiny) -> None:
    with pytest.raises(UserError, match=r"^weights: required, not given; add -o weights="):
        train_in_int8(make_run(tiny), Int8Training(1))


def test_what_the_command_line_says_of_calibration_goes_before_the_section(config) -> None:
    session = make_run(config)
    assert Int8Training(1).overrides(session)["QAT"]["calib_images"] == 4
    assert Int8Training(1, calib_images=9).overrides(session)["QAT"]["calib_images"] == 9


@pytest.mark.parametrize(
    ("section", "options", "target"),
    [
        (None, {}, "onnxruntime"),
        (None, {"target": "openvino"}, "onnxruntime"),
        (None, {"target": "generic"}, "generic"),
        ("openvino", {"target": "openvino"}, "openvino"),
        ("openvino", {"formats": ["openvino"]}, "openvino"),
        ("openvino", {"target": "tflite"}, "tflite"),
        ("mnn", {"target": "openvino"}, "onnxruntime"),
        ("rknn", {}, "rknn"),
    ],
)
def test_the_rules_that_a_training_keeps(config, section, options, target) -> None:
    session = make_run(config, *([f"QAT.target={section}"] if section else []))
    assert training_target(session, QuantizeSettings(**options)) == target
    assert Int8Training(1, target=target).overrides(session)["QAT"]["target"] == target


def test_a_vendor_format_alone_decides(config, monkeypatch) -> None:
    monkeypatch.setattr(QuantizeSettings, "__post_init__", lambda settings: None)  # its converter is an extra
    session = make_run(config.with_name("tiny.yml"))
    assert training_target(session, QuantizeSettings(["tflite"])) == "tflite"
    assert training_target(session, QuantizeSettings(["onnx", "tflite"])) == "onnxruntime"


def test_a_target_that_does_not_suit_the_files(config) -> None:
    session = make_run(config, "QAT.target=openvino")
    with pytest.raises(
        UserError, match=r"^--format: found onnx, but QAT.target is openvino; expected openvino; or set"
    ):
        training_target(session, QuantizeSettings(["onnx", "openvino"]))
    session = make_run(config, "export.fuse_normalize=true")
    with pytest.raises(UserError, match=r"^export.fuse_normalize: found true with --qat and the target generic, which"):
        training_target(session, QuantizeSettings(target="generic"))


def test_a_training_of_other_weights_is_not_taken_for_this_one(config, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(int8_training, "train", lambda *args, **kwargs: None)
    monkeypatch.setattr(int8_training, "newest_checkpoint", lambda folder: folder / "model_final")
    monkeypatch.setattr(int8_training, "write_int8_start", lambda session, file: file.parent.mkdir())
    session = make_run(config.with_name("tiny.yml"), f"save_dir={tmp_path}", "filename=own")
    training = make_run(config.with_name("tiny.yml"), f"pretrain_weights={session.settings.weights}")
    int8_training._write_start(training, tmp_path / "own_qat" / "int8_start.pdparams")
    train_in_int8(session, Int8Training(1))
    other = tmp_path / "other.pdparams"
    other.write_bytes(b"other weights")
    session = make_run(config.with_name("tiny.yml"), f"save_dir={tmp_path}", "filename=own", f"weights={other}")
    with pytest.raises(UserError, match=rf"^{tmp_path}/own_qat: found a training in INT8 of other weights; expected"):
        train_in_int8(session, Int8Training(1))


@pytest.mark.slow
def test_trains_then_writes(config, tmp_path, monkeypatch, caplog) -> None:
    """The training is continued or kept when the command runs again; the report compares with the float model."""
    pytest.importorskip("onnxruntime")

    def start(session, file) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(config.with_name("int8_start.pdparams"), file)

    monkeypatch.setattr(int8_training, "write_int8_start", start)
    session = make_run(config.with_name("tiny.yml"), f"save_dir={tmp_path}", "filename=own", "snapshot_epoch=1")
    trained = train_in_int8(session, Int8Training(1))
    assert trained.settings.weights == str(tmp_path / "own_qat" / "model_final.pdparams")
    assert trained.settings.filename == "own"
    with caplog.at_level("INFO"):
        assert train_in_int8(session, Int8Training(1)).settings == trained.settings
        report = quantize(trained, tmp_path / "out", QuantizeSettings(images=2), compared=session)
    assert "all 1 epochs are done" in caplog.text
    assert {path.name for path in (tmp_path / "out" / "own").iterdir()} == {"model_int8.onnx", "int8_report.json"}
    assert json.loads((tmp_path / "out" / "own" / "int8_report.json").read_text()) == report.as_dict()
    assert "trained in INT8; its ranges and integers are used" in caplog.text
