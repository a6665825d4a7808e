"""The Python API: one model from training to an export, what it may be made of, and its mistakes."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
import pytest

import ppdet
from ppdet import PicoDet
from ppdet.api.source import Source, find_source
from ppdet.api.work import TrainingOptions, open_model
from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.deploy import DeployError, Detections, Detector
from ppdet.deploy.detections import to_rows
from ppdet.metrics.coco import NAMES
from ppdet.session import Session
from ppdet.utils.weight_files import read_arrays
from tests.support.detections import differences
from tests.support.tiny import write_config, write_dataset
from tests.support.workspaces import ROOT, Workspace, coco_workspace, guessing_weights

ANY_SCORE = 0.05
OTHERS = ("PYTEST", "POLYGRAPHY")  # variables that pytest and paddle2onnx set


@pytest.fixture(autouse=True)
def _unchanged_process() -> Iterator[None]:
    """The API sets up nothing of the process."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def state() -> tuple[object, ...]:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
        return list(map(signal.getsignal, numbers)), list(logging.root.handlers), variables

    before = state()
    yield
    assert state() == before


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> PicoDet:
    """A model that was trained for two epochs."""
    folder = tmp_path_factory.mktemp("trained")
    write_dataset(folder)
    model = PicoDet(write_config(folder))
    best = model.train(epochs=2, output=folder / "runs" / "first")
    assert best == folder / "runs" / "first" / "best_model.pdparams"
    return model


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return coco_workspace(tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module")
def guessing(coco: Workspace) -> PicoDet:
    """An untrained model whose scores are spread over 0..1, so that it finds a lot in a certain order."""
    return PicoDet(coco.config, guessing_weights(coco.config, coco.root / "guessing"))


def records(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


# ---- training and evaluation ----


def test_training_ends_with_the_best_weights(trained: PicoDet) -> None:
    folder = trained._source.config.parent
    logged = [record for record in records(folder) if record["kind"] == "eval"]
    scores = trained.eval()
    assert list(scores) == list(NAMES)
    best = max(logged, key=lambda record: record["AP"])
    assert scores == pytest.approx({name: best[name] for name in NAMES})
    assert load_config(folder / "config.yml")["epoch"] == 2


def test_the_end_of_the_time_is_no_error(trained: PicoDet, tmp_path: Path) -> None:
    """The weights so far are returned, and the training can be continued."""
    model = PicoDet(trained._source.config, overrides={"max_time": 0.001})
    assert model.train(epochs=1, output=tmp_path / "short") == tmp_path / "short" / "interrupted.pdparams"
    model = PicoDet(trained._source.config)
    best = model.train(epochs=1, output=tmp_path / "short", resume=True)
    assert best == tmp_path / "short" / "best_model.pdparams"


def test_weights_and_run_folders_are_models(trained: PicoDet) -> None:
    folder, scores = trained._source.config.parent, trained.eval()
    assert PicoDet(folder).eval() == scores
    assert PicoDet(folder / "best_model.pdparams").eval() == scores


def test_a_training_goes_on(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    config = write_config(tmp_path)
    output = tmp_path / "run"
    PicoDet(config).train(epochs=1, output=output, evaluate=False, overrides={"snapshot_epoch": 1})
    done = PicoDet(config).train(epochs=2, output=output, evaluate=False, resume=True)
    assert done == output / "model_final.pdparams"
    assert [record["epoch"] for record in records(output)] == [1, 1, 2, 2]


def test_training_starts_from_the_models_weights(trained: PicoDet, tmp_path: Path) -> None:
    """One update with a learning rate of nearly nothing."""
    source = trained._source
    model = PicoDet(source.config, source.weights)
    options = {"lr": 1e-12, "evaluate": False, "overrides": {"use_ema": False, "OptimizerBuilder.regularizer": None}}
    continued = model.train(output=tmp_path / "continued", epochs=1, **options)
    fresh = PicoDet(source.config, source.weights).train(
        output=tmp_path / "fresh", epochs=1, pretrained=False, **options
    )
    name = "head.head_cls0.weight"
    before, after, other = (read_arrays(Path(file))[name] for file in (source.weights, continued, fresh))
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert not np.allclose(other, before, atol=1e-3)


def test_data_goes_over_the_models_config(trained: PicoDet, coco: Workspace, tmp_path: Path) -> None:
    data = tmp_path / "colors.yml"
    slots = load_config(coco.config).to_dict()
    datasets = {name: slots[name] for name in ("TrainDataset", "EvalDataset", "TestDataset")}
    data.write_text("num_classes: 3\n" + "\n".join(f"{name}: {json.dumps(each)}" for name, each in datasets.items()))
    from_file = open_model(trained._source.config, None, data, {})
    from_mapping = open_model(trained._source.config, None, datasets, {"filename": "colors"})
    for session in (from_file, from_mapping):
        assert session.cfg["TrainDataset"]["dataset_dir"] == f"{coco.root}/data"
        assert session.settings.filename == "colors"
        assert session.cfg["PicoHeadV2"] == load_config(trained._source.config)["PicoHeadV2"]
    assert "allow_empty" not in from_mapping.cfg["TrainDataset"]  # a dataset replaces the base's


def opened(tiny: Path, options: TrainingOptions, **overrides: object) -> Session:
    return open_model(tiny, None, None, overrides, options)


def test_epochs_scale_the_schedule(tiny: Path, tmp_path: Path) -> None:
    session = opened(tiny, TrainingOptions(epochs=40, batch_size=3, lr=0.5, output=tmp_path / "a" / "b"))
    cfg = session.cfg
    assert session.settings.epoch == cfg["LearningRate"]["schedulers"][0]["max_epochs"] == 40
    assert cfg["PicoHeadV2"]["static_assigner_epoch"] == 1000  # 100 of 4
    assert cfg["TrainReader"]["batch_size"] == 3
    assert (cfg["LearningRate"]["base_lr"], cfg["LearningRate"]["auto_scale"]) == (0.5, False)
    assert session.output_dir == tmp_path / "a" / "b"


def test_overrides_win(tiny: Path) -> None:
    session = opened(tiny, TrainingOptions(epochs=40), **{"epoch": 30, "LearningRate.base_lr": 1e-05})
    assert session.settings.epoch == 30
    assert session.cfg["LearningRate"]["base_lr"] == 1e-05


# ---- predictions and exports ----


def test_predictions_are_those_of_the_export(guessing: PicoDet, coco: Workspace, tmp_path: Path) -> None:
    photos = coco.data / "val"
    found = guessing.predict(photos, threshold=ANY_SCORE)
    assert len(found) == 4
    assert sum(map(len, found)) > 10
    file = guessing.export("onnx", tmp_path)
    assert file == tmp_path / "tiny" / "model.onnx"
    assert all(name in ("red", "green", "blue") for each in found for name in each.names)
    expected = Detector(file).detect(sorted(photos.iterdir()), ANY_SCORE)
    assert differences(outputs(expected), outputs(found)) < 1e-4


def test_arrays_are_bgr(guessing: PicoDet, coco: Workspace) -> None:
    files = sorted((coco.data / "val").iterdir())
    arrays = [cv2.imread(str(file)) for file in files]
    from_files = guessing.predict(files, ANY_SCORE)
    for ours, theirs in zip(guessing.predict([arrays[0], files[1], *arrays[2:]], ANY_SCORE), from_files, strict=True):
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)
    (alone,) = guessing.predict(arrays[0], ANY_SCORE)
    np.testing.assert_array_equal(alone.plot(arrays[0]), from_files[0].plot())
    assert alone.names == from_files[0].names


def test_thresholds_of_an_export_are_the_default(guessing: PicoDet, coco: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "thresholds.yml"
    file.write_text("thresholds: {red: 0.05, green: 1.0, blue: 1.0}")
    model = PicoDet(guessing.export("paddle", tmp_path, thresholds=file))
    image = next((coco.data / "val").iterdir())
    (everything,), (chosen,) = model.predict(image, ANY_SCORE), model.predict(image)
    assert set(everything.names) > set(chosen.names) == {"red"}
    assert len(chosen) == everything.names.count("red")
    (usual,) = guessing.predict(image)  # 0.5, since it has none
    assert len(usual) == (everything.scores >= 0.5).sum()


def test_an_export_only_predicts(guessing: PicoDet, coco: Workspace, tmp_path: Path) -> None:
    folder = guessing.export("paddle", tmp_path, nms=True).parent
    model = PicoDet(folder)
    image = next((coco.data / "val").iterdir())
    (ours,), (theirs,) = model.predict(image, ANY_SCORE), guessing.predict(image, ANY_SCORE)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
    with pytest.raises(UserError, match="an export can only predict; train needs a config and weights"):
        model.train()


def outputs(found: list[Detections]) -> list[np.ndarray]:
    """As a model gives them: bbox [M, 6], bbox_num [B]."""
    return [np.concatenate([to_rows(each) for each in found]), np.array([len(each) for each in found])]


# ---- sources ----


def test_a_name_has_published_weights(monkeypatch: pytest.MonkeyPatch, coco: Workspace) -> None:
    monkeypatch.chdir(coco.root)
    session = open_model(find_source("picodet_s_320_coco_lcnet").config, None, None, {})
    assert session.settings.weights == "picodet_s_320_coco_lcnet"
    mine = coco.root / "picodet_s_320_coco_lcnet.yml"
    mine.write_text("_BASE_: configs/picodet/picodet_s_320_coco_lcnet.yml")
    assert open_model(mine, None, None, {}).settings.weights == "output/picodet_s_320_coco/best_model"


def test_weights_beside_a_config(tmp_path: Path) -> None:
    weights = tmp_path / "mine.pdparams"
    weights.touch()
    with pytest.raises(UserError, match=r"no config beside it; give both, as in PicoDet\(config, weights='mine.pdp"):
        find_source(weights)
    (tmp_path / "mine.yml").touch()
    assert find_source(weights) == Source(tmp_path / "mine.yml", str(weights))
    (tmp_path / "config.yml").touch()
    assert find_source(weights) == Source(tmp_path / "config.yml", str(weights))
    assert find_source(weights, "other.pdparams").weights == "other.pdparams"
    downloaded = tmp_path / "elsewhere" / "picodet_s_320_coco_lcnet.pdparams"
    downloaded.parent.mkdir()
    downloaded.touch()
    assert find_source(downloaded).config == find_source("picodet_s_320_coco_lcnet").config


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("picodet_s_320_lcnet", "as picodet_s_320_coco_lcnet or "),
        ("none.pdparams", "none.pdparams: there is no such weights file"),
        ("none.onnx", "none.onnx: there is no such config, weights file or export"),
        ("n" * 5000, "there is no such config, weights file or export"),
        ("", "source: found nothing; expected a path"),
        (5, "source: found int; expected a path"),
    ],
)
def test_sources_that_are_not_there(source: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PicoDet(source)


# ---- the document ----


def test_the_examples_of_the_document(coco: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run with a small config, one epoch and a folder of photos."""
    text = (ROOT / "docs" / "python_api.md").read_text()
    (data,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("my.yml").write_text(data)
    Path("data").symlink_to(coco.data)
    Path("photos").symlink_to(coco.data / "val")
    names: dict[str, Any] = {}
    for example in examples:
        small = example.replace('"picodet_s_320_coco_lcnet"', repr(str(coco.config)))
        exec(small.replace("epochs=50, batch_size=16", "epochs=1").replace("epochs=50", "epochs=1"), names)
    assert len(examples) == 2
    assert len(names["results"]) == 4
    assert names["path"].is_file()
    assert Path("output/mapping/best_model.pdparams").is_file()


# ---- mistakes ----


def test_missing_weights(tiny: Path) -> None:
    with pytest.raises(UserError, match="no_such.pdparams: no such weights file"):
        PicoDet(tiny, "no_such.pdparams").predict("x.jpg")


def test_mistakes_in_options(tiny: Path) -> None:
    with pytest.raises(UserError, match="no_such"):
        PicoDet(tiny).export("onnx", no_such=1)
    with pytest.raises(UserError, match=r"export.format: found 'coreml'"):
        PicoDet(tiny).export("coreml")
    with pytest.raises(UserError, match="epoch: expected at least 1"):
        PicoDet(tiny).train(epochs=0)
    with pytest.raises(UserError, match="epoch: expected int, found '3'"):
        PicoDet(tiny).train(epochs="3")
    with pytest.raises(UserError, match="output: found nothing; expected a path"):
        PicoDet(tiny).train(output="")
    with pytest.raises(UserError, match="data: found int; expected a path"):
        PicoDet(tiny).train(5)
    with pytest.raises(UserError, match="resume: found int; expected a path"):
        PicoDet(tiny).train(resume=5, overrides={"pretrain_weights": None})


def test_an_export_has_its_own_weights(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    for export in (tmp_path, tmp_path / "model.onnx"):
        with pytest.raises(UserError, match="an export has its own"):
            PicoDet(export, weights="w.pdparams")


def test_mistakes_in_predictions(guessing: PicoDet) -> None:
    for nothing in ("", None, 5):
        with pytest.raises(UserError, match="source: found "):
            guessing.predict(nothing)
    for threshold in (-1, 2, float("nan"), "0.5"):
        with pytest.raises(DeployError, match="threshold: found "):
            guessing.predict(np.zeros((8, 8, 3), np.uint8), threshold)


def test_numpys_numbers_are_numbers(tiny: Path) -> None:
    options = TrainingOptions(np.int64(10), np.int32(4), np.float32(0.5))
    session = open_model(tiny, None, None, {"EvalReader.batch_size": np.int64(3)}, options)
    assert session.settings.epoch == 10
    assert session.cfg["TrainReader"]["batch_size"] == 4
    assert session.cfg["LearningRate"]["base_lr"] == 0.5
    assert session.cfg["EvalReader"]["batch_size"] == 3


def test_the_first_of_several_formats_is_returned(guessing: PicoDet, tmp_path: Path) -> None:
    path = guessing.export("openvino, onnx", tmp_path)
    assert path.name == "model.xml"
    assert path.with_name("model.onnx").is_file()


def test_images_that_cannot_be_read(guessing: PicoDet, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"none.jpg: "):
        guessing.predict(tmp_path / "none.jpg")
    with pytest.raises(DeployError, match="no images"):
        guessing.predict(tmp_path)


def test_a_launched_process_is_refused(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PADDLE_TRAINERS_NUM", "2")
        with pytest.raises(UserError, match="the Python API is for one"):
            PicoDet(tiny).train()


def test_the_package_has_nothing_else() -> None:
    assert ppdet.PicoDet is PicoDet
    with pytest.raises(AttributeError, match="no attribute 'Yolo'"):
        ppdet.Yolo  # noqa: B018
    assert paddle.get_device()
