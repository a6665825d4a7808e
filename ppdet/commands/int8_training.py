"""The training of `ppdet quantize --qat`."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ppdet.core.builder import Builder
from ppdet.core.check import check_config
from ppdet.core.config import Config, thaw
from ppdet.core.errors import UserError
from ppdet.core.overrides import apply_override
from ppdet.core.settings import Settings
from ppdet.deploy.files import write_bytes
from ppdet.export.thresholds import weights_checksum
from ppdet.quantization.qat.start import write_int8_start
from ppdet.quantization.quantize import QuantizeSettings
from ppdet.quantization.targets import TARGETS
from ppdet.session import Session
from ppdet.training.checkpoint_folder import newest_checkpoint
from ppdet.training.train import train
from ppdet.utils.download import resolve_weights
from ppdet.utils.files import sha256

_EXPECTED = "expected epochs=N, and if wanted lr=X and batch_size=N, with commas"
_CHECKSUM = "float_weights.sha256"  # in the training's folder


@dataclass(frozen=True)
class Int8Training:
    """The options of `--qat`.

    Attributes:
        epochs: number of epochs.
        lr: the learning rate, of which the schedule takes parts.
        batch_size: images of a step of each process; None: 8, or as many as there are.
        calib_images: number of images to calibrate the start with; None: that of the section QAT.
        target: the rules of INT8; None: those of the section QAT.
    """

    epochs: int
    lr: float = 0.0005
    batch_size: int | None = None
    calib_images: int | None = None
    target: str | None = None

    @classmethod
    def parse(cls, text: str) -> Int8Training:
        """Returns the options that a command line gives as `epochs=20,lr=0.001`.

        Raises:
            UserError: a name or a value is not one of these.
        """
        kinds = {"epochs": int, "lr": float, "batch_size": int}
        values: dict[str, Any] = {}
        for part in text.split(","):
            name, _, value = part.strip().partition("=")
            if name not in kinds or name in values:
                raise UserError(f"--qat: found {part.strip()!r}; {_EXPECTED}")
            try:
                values[name] = kinds[name](value)
            except ValueError:
                values[name] = 0
            if not 0 < values[name] < float("inf"):
                raise UserError(f"--qat: {name}: found {value!r}; expected a number above 0")
        if "epochs" not in values:
            raise UserError(f"--qat: found {text!r}; {_EXPECTED}")
        return cls(**values)

    def overrides(self, session: Session) -> dict[str, Any]:
        """The values of the config that this training changes, by dotted key."""
        settings, warm_up = session.settings, {"name": "LinearWarmup", "epochs": 1, "start_factor": 0.1}
        schedulers = [{"name": "CosineDecay", "max_epochs": self.epochs}, *[warm_up] * (self.epochs >= 4)]
        given = {"calib_images": self.calib_images, "target": self.target}
        section = {key: value for key, value in given.items() if value is not None}
        values = {
            "QAT": {**(session.cfg.get("QAT") or {}), **section},
            "pretrain_weights": settings.weights,
            "filename": f"{settings.filename}_qat",
            "epoch": self.epochs,
            "snapshot_epoch": self.epochs,
            "early_stop": None,
            "TrainReader.batch_size": self.batch_size or min(8, len(session.load_annotated("TrainDataset").records)),
            "LearningRate.base_lr": self.lr,
            "LearningRate.auto_scale": False,
            "LearningRate.schedulers": schedulers,
        }
        if "PicoHeadV2" in session.cfg:
            values["PicoHeadV2.static_assigner_epoch"] = 0  # the model can already tell which points are good
        return values


def train_in_int8(session: Session, options: Int8Training) -> Session:
    """Train the config's `weights` in INT8, or continue such a training; returns the session of the trained weights.

    The training goes to `<save_dir>/<filename>_qat`.

    Raises:
        UserError: there are no weights, the training cannot run, or its folder holds one of other weights.
    """
    if not session.settings.weights:
        raise UserError("weights: required, not given; add -o weights=<file, name or URL>")
    tree = thaw(session.cfg)
    for key, value in options.overrides(session).items():
        tree = apply_override(tree, f"{key}={json.dumps(thaw(value))}")
    builder = Builder(Config(tree), session.builder.classes)
    check_config(builder)
    training = Session(builder.cfg, Settings.from_config(builder.cfg), builder, session.device)
    _require_same_weights(training.output_dir, weights_checksum(session))
    train(training, resume="auto", stop_on=(signal.SIGINT, signal.SIGTERM), int8_start=_write_start)
    trained = str(training.output_dir / "model_final.pdparams")
    return replace(session, settings=replace(session.settings, weights=trained))


def _write_start(training: Session, file: Path) -> None:
    """Writes the weights that a training begins with, and beside them the checksum of those that they are made of."""
    write_int8_start(training, file)
    write_bytes(file.with_name(_CHECKSUM), sha256(resolve_weights(training.settings.pretrain_weights or "")).encode())


def _require_same_weights(folder: Path, weights: str) -> None:
    """Raises UserError if a folder holds a training that began with weights of another checksum."""
    file = folder / _CHECKSUM
    if newest_checkpoint(folder) and file.exists() and file.read_text() != weights:
        raise UserError(
            f"{folder}: found a training in INT8 of other weights; expected none, or one of these; remove the folder, "
            "or add -o filename=<another name>"
        )


def training_target(session: Session, settings: QuantizeSettings) -> str:
    """Returns the target whose rules a training in INT8 keeps, for files by `settings`.

    ONNX Runtime and OpenVINO can do with the same weights, so that the section QAT decides between them.

    Raises:
        UserError: the files cannot be written from such weights.
    """
    section = session.builder.build("QAT").target if "target" in (session.cfg.get("QAT") or {}) else None
    only_vendor = settings.formats[0] if list(settings.formats) == settings.vendors[:1] else None
    target: str = settings.target or section or only_vendor or "onnxruntime"
    if settings.target == "openvino":
        target = section if section == "openvino" else "onnxruntime"
    if "onnx" in settings.formats and target == "openvino" != settings.target:
        raise UserError(
            "--format: found onnx, but QAT.target is openvino; expected openvino; or set QAT.target=onnxruntime, which "
            "suits both"
        )
    general = len(settings.vendors) < len(settings.formats)
    if general and session.settings.export.fuse_normalize and not TARGETS[target].channel_quantizers:
        raise UserError(
            f"export.fuse_normalize: found true with --qat and the target {target}, which has one scale for the image; "
            "expected false, so that its channels are divided by the standard deviation before"
        )
    return target
