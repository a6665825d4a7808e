"""Detecting objects with an exported PicoDet, in three lines:

detector = Detector("output_inference/picodet_s_320_coco_lcnet")
found = detector.detect("street.jpg")
print(found.boxes, found.scores, found.names)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Literal, overload

import numpy as np

from . import tiles
from .backends import choose as backends
from .backends.base import Backend, Port
from .checksum import model_checksum
from .config_values import shown
from .detections import Detections, from_rows, to_rows
from .errors import DeployError, first_error_line
from .images import read_image, three_channels
from .model_config import ModelConfig, read_config
from .other_outputs import as_nms_outputs
from .postprocess import Threshold, box_units, check_outputs, detections
from .preprocess import Prepared, Preprocessor

Image = str | Path | np.ndarray  # a file, or [h, w, 3] uint8 (gray and alpha as well)
Wanted = float | Literal["model"] | None  # as threshold
ImageList = list[str] | list[Path] | list[np.ndarray] | list[Image] | tuple[Image, ...]


class Detector:
    """An exported model, loaded once, with all that has to happen before and after it. Threads may share it.

    Args:
        model_path: the folder of an export, or one of its files: .onnx, .xml, .json, .pdmodel, .param or .mnn;
            or a Backend of the caller (see backends/base.py).
        backend: openvino, onnxruntime, paddle, ncnn or mnn; auto: the first of them that is installed and has a file.
        threads: number of threads that compute the network; None: one for each processor core.
        threshold: detections that score less are left out. "model" or None: those of the model's infer_cfg, one for
            each class if `ppdet thresholds` chose some, else its draw_threshold (0.5). The attribute `threshold` is the
            number, or [K] float32.
        order: order of the colors in arrays: rgb, or bgr as OpenCV reads images.
        batch_size: number of images of a list that are computed together, if the model takes any number.

    Raises:
        DeployError: an option or a file does not fit; the message is one line.
    """

    def __init__(
        self,
        model_path: str | Path | Backend,
        backend: str = "auto",
        threads: int | None = None,
        threshold: Wanted = "model",
        order: str = "rgb",
        batch_size: int = 8,
    ) -> None:
        for name, number in (("threads", threads), ("batch_size", batch_size)):
            if number is not None and number < 1:
                raise DeployError(f"{name}: found {number}; expected 1 or more")
        if order not in ("rgb", "bgr"):
            raise DeployError(f"order: found {order}; expected rgb or bgr")
        self._order, self._batch_size = order, batch_size
        self.threads = threads or backends.default_threads()
        self._backend, self.backend, self.file = backends.load(model_path, backend, self.threads)
        self.config: ModelConfig = read_config(self.file, self._backend.infer_cfg)
        _check_files(self.file, self.config)
        self.threshold: Threshold = self._threshold("model" if threshold is None else threshold)
        self._ports = _inputs(self._backend.inputs, self.file)
        image = self._ports["image"]
        self._batch = next((port.shape[0] for port in self._ports.values() if port.shape[0]), None)
        _, _, height, width = image.shape
        fixed = (height, width) if height and width else None
        if fixed and not self.config.keep_ratio and fixed != self.config.size:
            resized = " x ".join(map(str, self.config.size))
            raise DeployError(
                f"{self.file}: takes {height} x {width} pixels, but its infer_cfg resizes to {resized}; "
                "export the model again"
            )
        self._preprocess = Preprocessor(self.config, fixed, image.dtype)

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names."""
        return self.config.labels

    @property
    def category_ids(self) -> tuple[int | float | str, ...]:
        """The ids of the classes in the data set that the model was trained on, in the order of `labels`."""
        return self.config.category_ids

    @property
    def max_batch_size(self) -> int | None:
        """The most images that the network takes at a time; None: any number."""
        return self._batch if self._preprocess.uniform else 1

    @overload
    def detect(self, images: Image, threshold: Wanted = None) -> Detections: ...
    @overload
    def detect(self, images: ImageList, threshold: Wanted = None) -> list[Detections]: ...
    def detect(self, images: Image | ImageList, threshold: Wanted = None) -> Detections | list[Detections]:
        """The Detections of one image, or of each image of a list, whose files are read a few at a time.

        threshold: as of the class; None: the detector's.

        Raises DeployError if an image cannot be read, or the model cannot run or gives no detections of its classes.
        """
        if isinstance(images, (list, tuple)):
            return self._detect(images, threshold)
        return self._detect([images], threshold)[0]

    def detect_sliced(
        self,
        image: Image,
        tile: tuple[int, int] = (640, 640),
        overlap: float = 0.25,
        threshold: Wanted = None,
        whole: bool = True,
    ) -> Detections:
        """Detects small objects of one large image, in tiles.

        Args:
            image: as of `detect`.
            tile: (height, width) of the tiles in pixels.
            overlap: the share of their sides that neighboring tiles have in common.
            threshold: as of `detect`.
            whole: whether to detect in the image as a whole too, for objects that are larger than a tile.
        """
        pixels, order = self.load(image)
        size = pixels.shape[:2]
        parts = tiles.windows(size, tile, overlap)
        if whole and len(parts) > 1:
            parts.append((0, 0, size[1], size[0]))
        crops = [pixels[y1:y2, x1:x2] for x1, y1, x2, y2 in parts]
        per_part = []
        for (x1, y1, _, _), found in zip(parts, self._detect(crops, threshold, order), strict=True):
            per_part.append(to_rows(found))
            per_part[-1][:, 2:] += np.array([x1, y1] * 2, np.float32)
        is_cut = [tiles.cut(rows, part, size) for rows, part in zip(per_part, parts, strict=True)]
        owner = np.repeat(np.arange(len(parts)), [len(rows) for rows in per_part])
        rows = tiles.merge(np.concatenate(per_part), owner, np.concatenate(is_cut), self.config.iou_threshold)
        return replace(from_rows(rows, self.labels, 0.0), path=_path(image), order=order)

    # ---- the stages of `detect`, one after the other; benchmark.py measures each ----

    def load(self, image: Image, order: str | None = None) -> tuple[np.ndarray, str]:
        """The image [h, w, 3] uint8 and its color order. `order`: color order of an array; default: the detector's."""
        if isinstance(image, (str, Path)):
            return read_image(image), "bgr"
        return three_channels(image), order or self._order

    def prepare(self, images: Sequence[tuple[np.ndarray, str]]) -> Prepared:
        """The network's inputs for loaded images, lent until the next call in the same thread."""
        return self._preprocess(images)

    def run(self, prepared: Prepared) -> list[np.ndarray]:
        """The network's outputs, which may be lent until the next call in the same thread."""
        feeds = {port.name: self._pad_batch(getattr(prepared, name)) for name, port in self._ports.items()}
        try:
            return self._backend.run(feeds)
        except DeployError:
            raise
        except Exception as error:  # each runtime has its own
            problem = f"{self.backend} cannot run it on {list(prepared.image.shape)} ({first_error_line(error)})"
            raise DeployError(f"{self.file}: {problem}; export the model again") from error

    def finish(self, outputs: Sequence[np.ndarray], prepared: Prepared, threshold: Threshold) -> list[Detections]:
        """The Detections of each image: NMS if the model has none, units, threshold and names."""
        outputs = as_nms_outputs(outputs)
        check_outputs(outputs, self.config)
        height, width = prepared.image.shape[2:]
        factors = self._pad_batch(prepared.scale_factor)
        units = box_units(outputs, self.config, "scale_factor" in self._ports)
        rows = detections(outputs, self.config, units, (height, width), factors, threshold)
        return [from_rows(each, self.labels, threshold) for each in rows[: len(prepared.scale_factor)]]

    # ---- what the stages share ----

    def _detect(self, images: Sequence[Image], threshold: Wanted, order: str | None = None) -> list[Detections]:
        """The Detections of all images, computed for as many at a time as the model takes."""
        lowest = self.threshold if threshold is None else self._threshold(threshold)
        size = self.max_batch_size or self._batch_size
        found: list[Detections] = []
        for start in range(0, len(images), size):
            group = images[start : start + size]
            loaded = [self.load(image, order) for image in group]
            prepared = self.prepare(loaded)
            finished = self.finish(self.run(prepared), prepared, lowest)
            for image, (_, colors), each in zip(group, loaded, finished, strict=True):
                found.append(replace(each, path=_path(image), order=colors))
        return found

    def _threshold(self, wanted: float | Literal["model"]) -> Threshold:
        if not isinstance(wanted, str) or wanted != "model":  # an array is compared entry by entry
            return _checked(wanted)
        of_classes = self.config.thresholds
        return self.config.threshold if of_classes is None else np.array(of_classes, np.float32)

    def _pad_batch(self, batch: np.ndarray) -> np.ndarray:
        """`batch` repeated up to the model's fixed batch size, if it has one."""
        return np.resize(batch, (self._batch, *batch.shape[1:])) if self._batch and len(batch) < self._batch else batch


def _path(image: Image) -> Path | None:
    return Path(image) if isinstance(image, (str, Path)) else None


def _checked(threshold: float) -> float:
    if not isinstance(threshold, Real) or not 0 <= threshold <= 1:
        raise DeployError(f"threshold: found {shown(threshold)}; expected a score between 0 and 1, or model")
    return threshold


def _check_files(file: Path, config: ModelConfig) -> None:
    if config.checksum and model_checksum(file) != config.checksum.lower():
        raise DeployError(
            f"{file}: it or its weights are not as they were exported: damaged, or changed by a tool; copy or export "
            f"them again, or remove `checksum` from {config.source} to use them"
        )


def _inputs(ports: Sequence[Port], file: Path) -> dict[str, Port]:
    """The model's inputs by the field of `Prepared` that they take: image, and perhaps scale_factor and im_shape."""
    images = [port for port in ports if len(port.shape) == 4 and port.shape[1] in (3, None)]
    pairs = [port for port in ports if len(port.shape) == 2 and port.shape[1] in (2, None)]
    shapes = [port for port in pairs if port.name == "im_shape"]
    factors = [port for port in pairs if port.name != "im_shape"]
    if len(images) != 1 or max(len(factors), len(shapes)) > 1 or len(ports) != len(images) + len(pairs):
        found = ", ".join(f"{port.name} {['?' if side is None else side for side in port.shape]}" for port in ports)
        raise DeployError(
            f"{file}: takes {found or 'no inputs'}; expected an image [B, 3, H, W] and perhaps scale_factor, im_shape "
            "[B, 2]: not a PicoDet"
        )
    found_ports = {"image": images, "scale_factor": factors, "im_shape": shapes}
    return {name: each[0] for name, each in found_ports.items() if each}
