"""The class that programs use. Importing it is quick: Paddle is imported by the first call that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ppdet.api.source import as_path, find_source
from ppdet.core.errors import UserError
from ppdet.utils.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np

    from ppdet.api import work
    from ppdet.deploy import Detections, Detector
    from ppdet.session import Session
else:
    work = LazyModule("ppdet.api.work")

Data = str | Path | Mapping[str, Any]  # a config file, or its content


class PicoDet:
    """A detector to train, evaluate, use and export.

    Example:
        model = PicoDet("picodet_s_320_coco_lcnet")
        model.train("my.yml", epochs=50)
        metrics = model.eval()
        results = model.predict("photos/")
        model.export("onnx")

    Nothing of the process is set up: no signal handlers, no log handlers, no environment variables.

    Args:
        source: the name of a config that comes with ppdet (`ppdet config --list`), a config file, weights (.pdparams)
            beside their config, the output folder of a training, or an export (its folder or its file), which can only
            predict.
        weights: a file, a URL or a published name. Default: the weights that `source` leads to, for a name the
            published weights, which are downloaded at their first use.
        device: auto, cpu, gpu, gpu:1, iluvatar_gpu, …; default: the config's `device`. It becomes Paddle's device when
            a method needs it. Exports run on the CPU.
        overrides: config values by dotted key, as in {"TrainReader.batch_size": 8}.

    Raises:
        UserError: there is no such config, weights file or export. The message is one line. The methods raise it for
            every other mistake in files and options, and DeployError for images that cannot be read.
    """

    def __init__(
        self,
        source: str | Path,
        weights: str | Path | None = None,
        device: str | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self._source = find_source(source, weights)
        self._device = {} if device is None else {"device": device}
        self._overrides = dict(overrides or {})
        self._detector: Detector | None = None

    def train(
        self,
        data: Data | None = None,
        *,
        epochs: int | None = None,
        batch_size: int | Literal["auto"] | None = None,
        lr: float | None = None,
        output: str | Path | None = None,
        resume: bool | str | Path = False,
        pretrained: bool = True,
        evaluate: bool = True,
        overrides: Mapping[str, Any] | None = None,
    ) -> Path:
        """Train on the config's TrainDataset; afterwards the model has the best weights of the training.

        Example:
            best = model.train("my.yml", epochs=50, batch_size=16)

        Args:
            data: a config file, or its content as a mapping, with `num_classes` and the datasets. Its values replace
                those of the model's config. Default: the model's config alone.
            epochs: number of epochs. The learning rate's schedule and the epoch at which the assigner changes are
                scaled to it.
            batch_size: images per step; "auto": as many as the memory of the accelerator holds.
            lr: the highest learning rate, as it is. Default: the config's, scaled to the batch size.
            output: folder for checkpoints, log and config; default: output/<name of `data` or of the config>.
            resume: True continues the training in `output`, if it has begun; a path continues that checkpoint.
            pretrained: start from this model's weights, if it has any; False: from the config's `pretrain_weights`.
            evaluate: score EvalDataset at every checkpoint and keep the best; False: the last weights count.
            overrides: config values by dotted key; they win over everything else.

        Returns:
            The weights file, <output>/best_model.pdparams (model_final.pdparams if not evaluated, interrupted.pdparams
            if `max_time` ended the training before that).
        """
        options = work.TrainingOptions(epochs, batch_size, lr, None if output is None else as_path(output, "output"))
        session = work.open_model(
            self._config("train"), self._source.weights, data, self._with(overrides), options, pretrained
        )
        best = work.train(session, evaluate, resume)
        self._source, self._overrides, self._detector = find_source(best), {}, None
        return best

    def eval(self, data: Data | None = None, *, overrides: Mapping[str, Any] | None = None) -> dict[str, float]:
        """Score the model on EvalDataset.

        Example:
            print(model.eval()["AP50"])

        Args:
            data: as of `train`.
            overrides: config values by dotted key.

        Returns:
            COCO's twelve numbers, 0..1: AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl; -1 if no object
            is of that size. `metric: VOC` gives its one number instead.
        """
        return work.evaluate(self._open("eval", data, overrides))

    def predict(
        self,
        source: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
        threshold: float | Literal["model"] = "model",
    ) -> list[Detections]:
        """Detect objects.

        Example:
            for found in model.predict("photos/"):
                print(found.names, found.scores, found.boxes)

        Args:
            source: an image file, a folder of images, an array [h, w, 3] uint8 in BGR as cv2.imread gives it, or a list
                of files and arrays.
            threshold: detections that score less are left out, 0..1. "model": the thresholds that an export holds; 0.5
                for other models.

        Returns:
            One Detections per image, in the order of the list or of the folder's sorted names.
        """
        if self._detector is None:
            export = self._source.export
            self._detector = work.open_export(export) if export else work.load_detector(self._open("predict"))
        return self._detector.detect(work.images(source), threshold)

    def export(
        self,
        format: Literal["paddle", "onnx", "openvino"] = "onnx",
        output: str | Path = "output_inference",
        **options: Any,
    ) -> Path:
        """Write the model for other programs, and check that what was written gives the same results.

        Example:
            path = model.export("onnx", batch_size=1)
            detector = ppdet.deploy.Detector(path)

        Args:
            format: paddle (Paddle Inference), onnx or openvino.
            output: the files go to <output>/<name of the config>/.
            options: other keys of the config's `export` section, as nms=False or fuse_normalize=True.

        Returns:
            The model file.
        """
        keys = {f"export.{name}": value for name, value in {"format": format, **options}.items()}
        return work.export(self._open("export", overrides=keys), as_path(output, "output"))

    def _open(self, method: str, data: Data | None = None, overrides: Mapping[str, Any] | None = None) -> Session:
        return work.open_model(self._config(method), self._source.weights, data, self._with(overrides))

    def _config(self, method: str) -> Path:
        if self._source.config is None:
            raise UserError(f"{self._source.export}: an export can only predict; {method} needs a config and weights")
        return self._source.config

    def _with(self, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The overrides of one call over those of the model."""
        return {**self._device, **self._overrides, **(overrides or {})}
