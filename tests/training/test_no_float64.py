"""No operator of training and prediction gives a float64 tensor: devices such as Iluvatar's have none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import paddle
import pytest
from paddle import _C_ops

from ppdet.optim.ema import ModelEMA
from tests.support.tiny import make_run, write_config, write_dataset


@pytest.fixture
def doubles(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of operators that gave a float64 tensor."""
    found: list[str] = []

    def watched(name: str, operator: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            result = operator(*args, **options)
            outputs = result if isinstance(result, (list, tuple)) else [result]
            if any(isinstance(output, paddle.Tensor) and output.dtype == paddle.float64 for output in outputs):
                found.append(name)
            return result

        return call

    for name in dir(_C_ops):
        operator = getattr(_C_ops, name)
        if callable(operator) and not name.startswith("_"):
            monkeypatch.setattr(_C_ops, name, watched(name, operator))
    return found


def test_the_watch_sees_a_double(doubles: list[str]) -> None:
    paddle.nn.functional.relu(paddle.ones([1], "float64"))
    assert "relu" in doubles


@pytest.mark.parametrize(
    ("base", "epoch"),  # ATSS, task-aligned, SimOTA
    [
        ("picodet_xs_320_coco_lcnet.yml", 0),
        ("picodet_xs_320_coco_lcnet.yml", 3),
        ("legacy_model/picodet_s_320_coco.yml", 0),
    ],
)
def test_training_and_prediction_make_no_float64(base: str, epoch: int, tmp_path: Path, doubles: list[str]) -> None:
    write_dataset(tmp_path)
    run = make_run(write_config(tmp_path, base), "PicoHeadV2.static_assigner_epoch=2")
    model = run.build_model()
    loader = run.builder.build("TrainReader").bind(run.load_dataset("TrainDataset"), seed=1)
    optimizer = run.builder.build("OptimizerBuilder")(0.01, model)
    ema = ModelEMA(model, 0.999, "threshold", -1)
    batch = next(iter(loader.epoch(0)))
    model.train()
    model.criterion(model(batch.image), batch.targets, epoch)["loss"].backward()
    optimizer.step()
    ema.update()
    model.eval()
    model.predict(model(batch.image), paddle.ones([len(batch.image), 2]))
    state = {field.name: getattr(batch, field.name) for field in fields(batch)}
    state |= {**model.state_dict(), **optimizer.state_dict(), **ema.averaged()}
    doubles += [
        name for name, value in state.items() if isinstance(value, paddle.Tensor) and value.dtype == paddle.float64
    ]
    assert not doubles
