"""Detecting objects with an exported PicoDet, in three lines:

detector = Detector("output_inference/picodet_s_320_coco_lcnet")
found = detector.detect("street.jpg")
print(found.boxes, found.scores, found.names)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from . import tiles
from .backends import choose as backends
from .backends.base import Backend, Port
from .checksum import checksum
from .detections import Detections, from_rows, to_rows
from .errors import DeployError, telling_line
from .images import read_image, three_channels
from .model_config import ModelConfig, read_config
from .postprocess import box_units, check_outputs, detections
from .preprocess import Prepared, Preprocessor

Image = str | Path | np.ndarray  # a file, or [h, w, 3] uint8 (grey and alpha as well)
ImageList = list[str] | list[Path] | list[np.ndarray] | list[Image] | tuple[Image, ...]


class Detector:
    """An exported model, loaded once, with all that has to happen before and after it. Threads may share it.

    model_path  the folder of an export, or one of its files: .onnx, .xml, .json or .pdmodel; or an object of another
                runtime, with the attributes of backends.base.Backend
    backend     openvino, onnxruntime or paddle; auto: the first of them that is installed and has a file
    threads     that the network is computed with; None: one for each processor
    threshold   detections that score less are left out; None: as the model's infer_cfg says (0.5)
    order       of the colours in arrays: rgb, or bgr as OpenCV reads them
    batch_size  images of a list at a time, where the model takes any number

    Raises DeployError, in one line, where something does not fit.
    """

    def __init__(
        self,
        model_path: str | Path | Backend,
        backend: str = "auto",
        threads: int | None = None,
        threshold: float | None = None,
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
        self.threshold = _checked(self.config.threshold if threshold is None else threshold)
        self._ports = _inputs(self._backend.inputs, self.file)
        image = self._ports["image"]
        self._batch = next((port.shape[0] for port in self._ports.values() if port.shape[0]), None)
        _, _, height, width = image.shape
        fixed = (height, width) if height and width else None
        if fixed and not self.config.keep_ratio and fixed != self.config.size:
            raise DeployError(f"{self.file}: takes {height} x {width} pixels, but its infer_cfg resizes to "
                              f"{' x '.join(map(str, self.config.size))}; export the model again")  # fmt: skip
        self._preprocess = Preprocessor(self.config, fixed, image.dtype)

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names."""
        return self.config.labels

    @property
    def most_at_once(self) -> int | None:
        """The most images that the network takes at a time; None: any number."""
        return self._batch if self._preprocess.uniform else 1

    @overload
    def detect(self, images: Image, threshold: float | None = None) -> Detections: ...
    @overload
    def detect(self, images: ImageList, threshold: float | None = None) -> list[Detections]: ...
    def detect(self, images: Image | ImageList, threshold: float | None = None) -> Detections | list[Detections]:
        """Of one image, or of each image of a list; files of a list are read a few at a time."""
        if isinstance(images, (list, tuple)):
            return self._found(images, threshold)
        return self._found([images], threshold)[0]

    def detect_sliced(
        self,
        image: Image,
        tile: tuple[int, int] = (640, 640),
        overlap: float = 0.25,
        threshold: float | None = None,
        whole: bool = True,
    ) -> Detections:
        """Small objects of one large image: in tiles of (height, width) pixels that share `overlap` of their sides.

        whole: also in the image as a whole, for objects that are larger than a tile.
        """
        pixels, order = self.load(image)
        size = pixels.shape[:2]
        parts = tiles.windows(size, tile, overlap)
        if whole and len(parts) > 1:
            parts.append((0, 0, size[1], size[0]))
        crops = [pixels[y1:y2, x1:x2] for x1, y1, x2, y2 in parts]
        per_part = []
        for (x1, y1, _, _), found in zip(parts, self._found(crops, threshold, order), strict=True):
            per_part.append(to_rows(found))
            per_part[-1][:, 2:] += np.array([x1, y1] * 2, np.float32)
        is_cut = [tiles.cut(rows, part, size) for rows, part in zip(per_part, parts, strict=True)]
        owner = np.repeat(np.arange(len(parts)), [len(rows) for rows in per_part])
        rows = tiles.merge(np.concatenate(per_part), owner, np.concatenate(is_cut), self.config.iou_threshold)
        return from_rows(rows, self.labels, 0.0)

    # ---- the stages of `detect`, one after the other; tools/benchmark.py takes their time ----

    def load(self, image: Image, order: str | None = None) -> tuple[np.ndarray, str]:
        """[h, w, 3] uint8 and the order of its colours; `order` of an array, if not the detector's."""
        if isinstance(image, (str, Path)):
            return read_image(image), "bgr"
        return three_channels(image), order or self._order

    def prepare(self, images: Sequence[tuple[np.ndarray, str]]) -> Prepared:
        """Loaded images -> what the network takes, lent until the next call in the same thread."""
        return self._preprocess(images)

    def run(self, prepared: Prepared) -> list[np.ndarray]:
        """The network's outputs, which may be lent until the next call in the same thread."""
        feeds = {port.name: self._filled(getattr(prepared, name)) for name, port in self._ports.items()}
        try:
            return self._backend.run(feeds)
        except DeployError:
            raise
        except Exception as error:  # each runtime has its own
            raise DeployError(f"{self.file}: {self.backend} cannot run it on {list(prepared.image.shape)} "
                              f"({telling_line(error)}); export the model again") from error  # fmt: skip

    def finish(self, outputs: Sequence[np.ndarray], prepared: Prepared, threshold: float) -> list[Detections]:
        """NMS where the model has none, units, threshold and names."""
        check_outputs(outputs, self.config)
        height, width = prepared.image.shape[2:]
        factors = self._filled(prepared.scale_factor)
        units = box_units(outputs, self.config, "scale_factor" in self._ports)
        rows = detections(outputs, self.config, units, (height, width), factors, threshold)
        return [from_rows(each, self.labels, threshold) for each in rows[: len(prepared.scale_factor)]]

    # ---- what the stages share ----

    def _found(self, images: Sequence[Image], threshold: float | None, order: str | None = None) -> list[Detections]:
        """Of all images, as many at a time as the model takes."""
        least = self.threshold if threshold is None else _checked(threshold)
        size = self.most_at_once or self._batch_size
        found = []
        for start in range(0, len(images), size):
            group = [self.load(image, order) for image in images[start : start + size]]
            prepared = self.prepare(group)
            found += self.finish(self.run(prepared), prepared, least)
        return found

    def _filled(self, batch: np.ndarray) -> np.ndarray:
        """Brought to the model's fixed batch size, if it has one, with some of it twice."""
        return np.resize(batch, (self._batch, *batch.shape[1:])) if self._batch and len(batch) < self._batch else batch


def _checked(threshold: float) -> float:
    if not 0 <= threshold <= 1:
        raise DeployError(f"threshold: found {threshold}; expected a score between 0 and 1")
    return threshold


def _check_files(file: Path, config: ModelConfig) -> None:
    if config.checksum and checksum(file) != config.checksum.lower():
        raise DeployError(
            f"{file}: it or its weights are not as they were exported: damaged, or changed by a tool; copy or export "
            f"them again, or remove `checksum` from {config.source} to use them"
        )


def _inputs(ports: Sequence[Port], file: Path) -> dict[str, Port]:
    """The ports by what of `Prepared` they take: the image, and perhaps scale_factor and im_shape."""
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
