"""The work of the methods of `ppdet.PicoDet`, from the parts of the command line, without its set-up of the process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
from paddle import distributed

from ppdet.api.source import as_path, trained_weights
from ppdet.core.config import Config, load_config
from ppdet.core.errors import OutOfTime, UserError
from ppdet.core.shipped_configs import find_config, shipped_configs
from ppdet.deploy.detector import Detector
from ppdet.deploy.images import list_images
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.evaluation.model_backend import ModelBackend
from ppdet.export import export as exporting
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.quantization.qat.start import write_int8_start
from ppdet.session import Session, open_session
from ppdet.training.checkpoint_folder import Resume
from ppdet.training.train import train as run_training
from ppdet.utils.download import PUBLISHED_WEIGHTS
from ppdet.utils.files import temporary_folder

Image = str | Path | np.ndarray


@dataclass(frozen=True)
class TrainingOptions:
    """The options of `PicoDet.train` that stand for config values; None: as the config says."""

    epochs: int | None = None
    batch_size: int | Literal["auto"] | None = None
    lr: float | None = None
    output: Path | None = None

    def values(self, cfg: Config) -> dict[str, Any]:
        """Config values by dotted key; `cfg` has the schedule that is scaled to the number of epochs."""
        values: dict[str, Any] = {}
        if self.epochs is not None:
            values["epoch"] = self.epochs
        if isinstance(self.epochs, Integral):  # anything else is refused when the config is checked
            values |= _scaled_schedule(cfg, int(self.epochs))
        if self.batch_size is not None:
            values["TrainReader.batch_size"] = self.batch_size
        if self.lr is not None:
            values |= {"LearningRate.base_lr": self.lr, "LearningRate.auto_scale": False}
        if self.output is not None:
            folder = Path(os.path.abspath(self.output))
            values |= {"save_dir": str(folder.parent), "filename": folder.name}
        return values


def _scaled_schedule(cfg: Config, epochs: int) -> dict[str, Any]:
    """The epochs that the learning rate's schedule and the head count, for another number of epochs in all."""
    values: dict[str, Any] = {}
    for index, part in enumerate((cfg.get("LearningRate") or {}).get("schedulers") or ()):
        if isinstance(part, Mapping) and "max_epochs" in part:
            values[f"LearningRate.schedulers.{index}.max_epochs"] = epochs
    switch, planned = (cfg.get("PicoHeadV2") or {}).get("static_assigner_epoch"), cfg.get("epoch")
    if isinstance(switch, int) and isinstance(planned, int) and planned > 0:
        values["PicoHeadV2.static_assigner_epoch"] = round(switch * epochs / planned)
    return values


def open_model(
    config: Path,
    weights: str | None,
    data: str | Path | Mapping[str, Any] | None,
    overrides: Mapping[str, Any],
    training: TrainingOptions | None = None,
    pretrained: bool = False,
) -> Session:
    """The session of a model with its weights.

    Args:
        config: of the model.
        weights: as of Source.
        data: a config file, or its content, whose values replace those of `config`.
        overrides: values by dotted key, which win over both.
        training: values for a training.
        pretrained: whether the training starts from `weights`.

    Raises:
        UserError: a file or a value is wrong, or the launcher started this process.
    """
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1 and not distributed.is_initialized():
        raise UserError(
            "paddle.distributed.launch: started several processes, but the Python API is for one; launch "
            "`$(which ppdet) train` or tools/train.py instead"
        )
    weights = weights or _published_weights(config)
    values: dict[str, Any] = {"weights": weights} if weights else {}
    with _extended(config, data) as path:
        if training:
            values |= training.values(load_config(path))
        if weights and pretrained:
            values["pretrain_weights"] = weights
        if "filename" not in values and data is not None:
            values["filename"] = Path(data).stem if isinstance(data, (str, Path)) else config.stem
        return open_session(
            path, [f"{key}={_as_yaml(value)}" for key, value in {**values, **overrides}.items()], training is not None
        )


def _published_weights(config: Path) -> str | None:
    """The name of the published weights of a config that comes with ppdet."""
    return config.stem if config.stem in PUBLISHED_WEIGHTS and shipped_configs().get(config.stem) == config else None


@contextmanager
def _extended(config: Path, data: str | Path | Mapping[str, Any] | None) -> Iterator[Path]:
    """A config file in which `data` goes over `config`."""
    if data is None:
        yield config
        return
    with temporary_folder() as folder:
        bases, own = [str(config.resolve())], ""
        if isinstance(data, Mapping):
            own = "\n".join(f"{_as_yaml(key)}: {_tagged(value)}" for key, value in data.items())
        else:
            bases.append(str(find_config(as_path(data, "data")).absolute()))
        file = folder / f"{config.stem}.yml"
        file.write_text(f"_BASE_: {_as_yaml(bases)}\n{own}\n", encoding="utf-8")
        yield file


def _tagged(value: Any) -> str:
    """YAML for a value; a mapping that names its class replaces what the base has, instead of going over it."""
    if isinstance(value, Mapping) and "name" in value:
        options = {key: each for key, each in value.items() if key != "name"}
        return f"!{value['name']} {_as_yaml(options)}"
    return _as_yaml(value)


def _as_yaml(value: Any) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, and all else, as paths, as text."""
    return value.item() if isinstance(value, np.generic) else str(value)


def train(session: Session, evaluate: bool, resume: str | Path | bool) -> Path:
    """Train; returns the best weights."""
    start: Resume | None = "auto" if resume is True else None
    if not isinstance(resume, bool):
        start = as_path(resume, "resume")
    with suppress(OutOfTime):
        run_training(session, evaluate=evaluate, resume=start, int8_start=write_int8_start)
    best = trained_weights(session.output_dir)
    assert best, "the training wrote its last checkpoint"
    return best


def evaluate(session: Session) -> dict[str, float]:
    """The metric's numbers by name."""
    evaluator = build_evaluator(session, session.trained_classes())
    with closing(evaluator.loader):
        return evaluator(session.load_model())


def load_detector(session: Session) -> Detector:
    """A Detector that runs the model as it is, without an export."""
    return Detector(ModelBackend(session), order="bgr")


def open_export(path: Path) -> Detector:
    """A Detector that runs an export, its folder or its file."""
    return Detector(path, order="bgr")


def images(source: Image | Sequence[Image]) -> list[Image]:
    """The images of a file, a folder, an array or a list of files and arrays."""
    if isinstance(source, np.ndarray):
        return [source]
    if isinstance(source, Iterable) and not isinstance(source, str):
        return list(source)
    path = as_path(source, "source")
    return [*list_images(path)] if os.path.isdir(path) else [path]


def export(session: Session, output_dir: Path) -> Path:
    """Write the model in the formats that the config asks for; returns the model file of the first one."""
    folder = exporting.export(session, output_dir.expanduser())
    return EXPORT_FORMATS[session.settings.export.formats[0]].model_file(folder)
