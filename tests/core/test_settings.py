from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings, Settings

REQUIRED = {"architecture": "PicoDet", "epoch": 300}


def settings(**items: Any) -> Settings:
    return Settings.from_config(Config(REQUIRED | items))


def test_defaults() -> None:
    run = settings()
    assert (run.num_classes, run.metric, run.log_iter, run.ema_decay, run.cycle_epoch) == (80, "COCO", 20, 0.9998, -1)
    assert run.export == ExportSettings(post_process=True, nms=True, benchmark=False, fuse_conv_bn=False)


def test_values_and_foreign_keys() -> None:
    run = settings(epoch=3, use_ema=True, seed=0, filename="given", export={"nms": False}, LCNet={"scale": 1.0})
    assert (run.epoch, run.use_ema, run.seed, run.filename) == (3, True, 0, "given")
    assert run.export == ExportSettings(nms=False)


def test_when_a_training_ends() -> None:
    assert (settings().early_stop, settings().max_seconds) == (None, None)
    assert settings(early_stop={"patience": 5}, max_time="1h30m").max_seconds == 5400
    assert settings(early_stop={"patience": 5, "min_delta": 1}).early_stop == {"patience": 5, "min_delta": 1.0}


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings().epoch = 1  # type: ignore[misc]


@pytest.mark.parametrize("missing", ["architecture", "epoch"])
def test_required(missing: str) -> None:
    items = {key: value for key, value in REQUIRED.items() if key != missing}
    with pytest.raises(UserError, match=f"^{missing}: required, not given"):
        Settings.from_config(Config(items))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"epoch": "300"}, "epoch: expected int, found '300' (str)"),
        ({"epoch": 0}, "epoch: expected at least 1, found 0"),
        ({"epoch": True}, "epoch: expected int, found True (bool)"),
        ({"metric": "RBOX"}, "metric: expected 'COCO' or 'VOC', found 'RBOX' (str)"),
        ({"ema_decay": 1.5}, "ema_decay: expected below 1, found 1.5"),
        ({"worker_num": -1}, "worker_num: expected at least 0, found -1"),
        ({"seed": -1}, "seed: expected at least 0, found -1"),
        ({"use_ema": 1}, "use_ema: expected bool, found 1 (int)"),
        ({"weights": 3}, "weights: expected str or null, found 3 (int)"),
        ({"export": {"nmss": True}}, "export.nmss: export has no option 'nmss'; did you mean 'nms'?"),
        ({"export": {"nms": "yes"}}, "export.nms: expected bool or 'none', found 'yes' (str)"),
        (
            {"export": {"format": "onx"}},
            "export.format: found 'onx'; expected some of paddle, onnx, openvino, ncnn, mnn, tflite, rknn, paddle_lite",
        ),
        ({"export": True}, "export: expected dict, found True (bool)"),
        ({"early_stop": 5}, "early_stop: expected dict or null, found 5 (int)"),
        ({"early_stop": {}}, "early_stop.patience: required, not given"),
        ({"early_stop": {"patience": 0}}, "early_stop.patience: expected at least 1, found 0"),
        ({"early_stop": {"patience": -1}}, "early_stop.patience: expected at least 1, found -1"),
        ({"early_stop": {"patience": "ten"}}, "early_stop.patience: expected int, found 'ten' (str)"),
        (
            {"early_stop": {"patience": 5, "patiens": 4}},
            "early_stop.patiens: no option; did you mean 'patience'? (null takes away that of a base config)",
        ),
        (
            {"early_stop": {"patience": 5, "min_delta": -0.1}},
            "early_stop.min_delta: expected at least 0, found -0.1",
        ),
        (
            {"early_stop": {"patience": 5, "min_delta": float("nan")}},
            "early_stop.min_delta: expected a finite number, found nan",
        ),
        (
            {"max_time": "soon"},
            "max_time: found 'soon'; expected a length of time above 0: 2h, 90m, 1h30m or 3600 s",
        ),
        ({"max_time": 0}, "max_time: expected above 0, found 0"),
        ({"max_time": "0h"}, "max_time: found '0h'; expected a length of time above 0: 2h, 90m, 1h30m or 3600 s"),
        ({"max_time": [2]}, "max_time: expected str or float or null, found [2] (list)"),
    ],
)
def test_errors(items: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        settings(**items)
    assert str(error.value) == message


def test_files_that_are_no_configs() -> None:
    paddlex = {"Global": {"model": "PicoDet-S", "mode": "train"}, "Train": {"num_classes": 4}}
    with pytest.raises(UserError, match="^Global: this is a PaddleX config, for 'PicoDet-S'; expected a config as in"):
        Settings.from_config(Config(paddlex))
    with pytest.raises(UserError, match="^Preprocess: this is the infer_cfg of an exported model; expected a config"):
        Settings.from_config(Config({"arch": "GFL", "Preprocess": [], "label_list": []}))
    with pytest.raises(UserError, match="^architecture: required, not given; expected _BASE_: <a config in configs/"):
        Settings.from_config(Config({}))
    with pytest.raises(UserError, match="^architecture: required, not given; found _base_; expected _BASE_: <"):
        Settings.from_config(Config({"_base_": "a.yml", "epoch": 1}))
