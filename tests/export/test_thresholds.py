"""The file of thresholds: from its writer into infer_cfg of every format, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from ppdet.core.errors import UserError
from ppdet.deploy import Detector
from ppdet.deploy.checksum import model_checksum
from ppdet.evaluation.model_backend import ModelBackend
from ppdet.export.export import export
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.export.infer_config import infer_config
from ppdet.export.thresholds import earlier_thresholds, threshold_entries, weights_checksum, write_thresholds
from ppdet.session import Session, class_categories
from tests.support.tiny import CLASSES, make_run
from tests.support.trained import installed_formats, write_trained_config

CHOSEN = {"blue": 0.75, "red": {"threshold": 0.25, "precision": 0.9}, "green": 0}
IN_ORDER = [{"red": 0.25, "green": 0.0, "blue": 0.75}[name] for name in CLASSES]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trained_config(tmp_path_factory.mktemp("thresholds"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_thresholds(tmp_path / "thresholds.yml", {"thresholds": CHOSEN})
    return tmp_path / "thresholds.yml"


def session(config: Path, file: Path | None = None, *overrides: str) -> Session:
    return make_run(config, *([f"export.thresholds={file}"] if file else []), *overrides)


def test_in_the_order_of_the_classes(config: Path, file: Path) -> None:
    run = session(config, file)
    assert threshold_entries(run, CLASSES) == {"thresholds": IN_ORDER, "weights_sha256": weights_checksum(run)}
    assert threshold_entries(session(config), CLASSES) == {}


def test_json_and_names_that_yaml_takes_for_something_else(config: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"thresholds": {"no": 0.1, "1": 0.2, "été": 0.3}}')
    assert threshold_entries(session(config, path), ["1", "été", "no"])["thresholds"] == [0.2, 0.3, 0.1]
    write_thresholds(path, {"thresholds": {"no": {"threshold": 0.1}, "1": {"threshold": 0.2}, "1e-4": 1}})
    assert threshold_entries(session(config, path), ["1", "1e-4", "no"])["thresholds"] == [0.2, 1, 0.1]


def test_infer_cfg_has_two_more_keys_and_all_others_as_before(config: Path, file: Path) -> None:
    """PaddleDetection's runners take the keys they know."""

    def content(run: Session) -> dict[str, Any]:
        return infer_config(run, run.build_model(), class_categories(run))

    plain, ours = content(session(config)), content(session(config, file))
    assert {key: ours[key] for key in plain} == plain
    assert set(ours) - set(plain) == {"thresholds", "weights_sha256"}
    assert (ours["draw_threshold"], ours["thresholds"]) == (0.5, IN_ORDER)


def test_every_format_carries_them_and_its_graph_is_the_same(config: Path, file: Path, tmp_path: Path) -> None:
    """The same graph gives the same AP: evaluation reads no thresholds."""
    formats = f"export.format={','.join(installed_formats())}"
    plain = export(session(config, None, formats, "filename=plain"), tmp_path)
    ours = export(session(config, file, formats, "filename=ours"), tmp_path)
    assert yaml.safe_load((ours / "infer_cfg.yml").read_text())["thresholds"] == IN_ORDER
    for name in installed_formats():
        model = EXPORT_FORMATS[name].model_file
        detector = Detector(model(ours))
        assert detector.threshold.tolist() == IN_ORDER  # exact in float32
        assert Detector(model(ours), threshold=0.3).threshold == 0.3
        assert Detector(model(plain)).threshold == 0.5
        if name == "onnx":
            assert model_checksum(model(ours)) == model_checksum(model(plain))


def test_a_trained_model_without_an_export(config: Path, file: Path) -> None:
    assert Detector(ModelBackend(session(config, file))).threshold.tolist() == IN_ORDER
    assert Detector(ModelBackend(session(config))).threshold == 0.5


def test_infer_cfg_of_an_export_is_such_a_file(config: Path, file: Path, tmp_path: Path) -> None:
    first = export(session(config, file, "filename=first"), tmp_path)
    run = session(config, first / "infer_cfg.yml")
    assert threshold_entries(run, CLASSES)["thresholds"] == IN_ORDER


def test_a_format_that_is_added_gives_the_earlier_paddle_model_the_thresholds(
    config: Path, file: Path, tmp_path: Path
) -> None:
    pytest.importorskip("paddle2onnx")
    export(session(config), tmp_path)
    folder = export(session(config, file, "export.format=onnx"), tmp_path)
    assert Detector(folder, "paddle").threshold.tolist() == IN_ORDER
    with pytest.raises(UserError, match="would no longer fit infer_cfg.yml; add paddle to --format"):
        export(session(config, None, "export.format=onnx"), tmp_path)


BAD = {
    "a class of another model": (
        "{thresholds: {red: 0.1, green: 0.2, cat: 0.3}}",
        "thresholds: found none for blue, and one for cat, which the model does not have; expected one for each",
    ),
    "one class more": (
        "{thresholds: {red: 0.1, green: 0.2, blue: 0.3, cat: 0.3}}",
        "thresholds: found one for cat, which the model does not have; expected one for each of red, green, blue",
    ),
    "a class is missing": ("{thresholds: {red: 0.1, green: 0.2}}", "thresholds: found none for blue; expected one"),
    "NaN": ("{thresholds: {red: .nan}}", "thresholds.red: found nan; expected a number of 0 to 1"),
    "above 1": ("{thresholds: {red: 0.1, green: 50}}", "thresholds.green: found 50; expected a number of 0 to 1"),
    "negative": ("{thresholds: {red: {threshold: -0.1}}}", "thresholds.red: found -0.1; expected a number of 0 to 1"),
    "a truth": ("{thresholds: {red: true}}", "thresholds.red: found True; expected a number of 0 to 1"),
    "null": ("{thresholds: {red: null}}", "thresholds.red: found null; expected a number of 0 to 1"),
    "no number": ("{thresholds: {red: {precision: 1}}}", "thresholds.red: found null; expected a number of 0 to 1"),
    "a list": ("{thresholds: [0.1, 0.2, 0.3]}", "thresholds: found [0.1, 0.2, 0.3]; expected {name: 0.5, …}"),
    "other keys": (
        "{red: 0.5}",
        "thresholds: found nothing; expected {name: 0.5, …}; choose them with ppdet thresholds",
    ),
    "no mapping": ("0.5", "found no keys and values; expected thresholds: {name: 0.5, …}"),
    "no YAML": ("thresholds: [", "not a valid config"),
    "bytes": ("\x00", "not text in UTF-8"),
    "other weights": (
        "{thresholds: {red: 0.1, green: 0.2, blue: 0.3}, weights_sha256: 0123456789abcdef0123}",
        "weights_sha256: found 0123456789abcdef…, but ",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files(kind: str, config: Path, tmp_path: Path) -> None:
    text, message = BAD[kind]
    path = tmp_path / "bad.yml"
    path.write_text(text)
    with pytest.raises(UserError) as raised:
        export(session(config, path), tmp_path / "out")
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(config: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none.yml: cannot be read \(No such file"):
        threshold_entries(session(config, tmp_path / "none.yml"), CLASSES)


def test_thresholds_of_an_earlier_export(config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run, path = session(config), tmp_path / "infer_cfg.yml"
    assert earlier_thresholds(run, tmp_path) is None
    for text in ("[", "1", "arch: GFL"):
        path.write_text(text)
        assert earlier_thresholds(run, tmp_path) is None
    own = {"label_list": list(CLASSES), "thresholds": IN_ORDER, "weights_sha256": weights_checksum(run)}
    with caplog.at_level(logging.INFO):
        path.write_text(yaml.safe_dump(own))
        assert earlier_thresholds(run, tmp_path) == str(path)
        assert f"{path}: its thresholds are kept" in caplog.text
        path.write_text(yaml.safe_dump(own | {"weights_sha256": "0" * 64}))
        assert earlier_thresholds(run, tmp_path) is None
        assert f"{path}: its thresholds are for other weights and are left out; add --thresholds" in caplog.text
