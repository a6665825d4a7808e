"""Detecting objects with an exported PicoDet, in three lines:

detector = Detector("output_inference/picodet_s_320_coco_lcnet")
found = detector.detect("street.jpg")
print(found.boxes, found.scores, found.names)
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Literal, overload

import numpy as np

from . import tiles
from .backends import choose as backends
from .backends.base import Backend, Cloneable
from .checksum import model_checksum
from .config_values import shown
from .cpus import default_threads, side_by_side
from .detections import Detections, from_rows, to_rows
from .errors import DeployError
from .images import read_image, three_channels
from .inputs import find_inputs
from .lane import Lane
from .model_config import ModelConfig, read_config
from .other_outputs import as_nms_outputs
from .pool import Pool
from .postprocess import Threshold, box_units, check_outputs, detections
from .preprocess import Prepared, Preprocessor
from .stream import map_ahead
from .tracking.tracked import Tracked
from .tracking.tracker import LOWEST_SCORE, Tracker, class_numbers, of_classes

Image = str | Path | np.ndarray  # a file, or [h, w, 3] uint8 (gray and alpha as well)
Wanted = float | Literal["model"] | None  # as threshold
ImageList = list[str] | list[Path] | list[np.ndarray] | list[Image] | tuple[Image, ...]


class Detector:
    """An exported model, loaded once, with all that has to happen before and after it.

    Threads may share it: each call has buffers and a request of the runtime to itself. As many calls are computed at
    the same time as there are processor cores for `threads` each, so that a program with many threads gets the most out
    of its cores with threads=1. With Paddle the network computes one call after the other.

    Args:
        model_path: the folder of an export, or one of its files: .onnx, .xml, .json, .pdmodel, .param, .mnn or .tflite;
            or a Backend of the caller (see backends/base.py).
        backend: openvino, onnxruntime, paddle, ncnn, mnn or tflite; auto: the first of them that is installed and has a
            file.
        threads: number of threads that compute the network of one call; None: one for each processor core.
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
        self.threads = threads or default_threads()
        runtime, self.backend, self.file = backends.load(model_path, backend, self.threads)
        self.config: ModelConfig = read_config(self.file, runtime.infer_cfg)
        _check_files(self.file, self.config)
        self.threshold: Threshold = self._threshold("model" if threshold is None else threshold)
        self._inputs = find_inputs(runtime.inputs, self.file)
        _, _, height, width = self._inputs.ports["image"].shape
        self._fixed = (height, width) if height and width else None
        if self._fixed and not self.config.keep_ratio and self._fixed != self.config.size:
            resized = " x ".join(map(str, self.config.size))
            raise DeployError(
                f"{self.file}: takes {height} x {width} pixels, but its infer_cfg resizes to {resized}; "
                "export the model again"
            )
        if self._inputs.ports["image"].dtype == np.uint8 and self.config.scale is not None:
            raise DeployError(f"{self.file}: takes bytes, but its infer_cfg normalizes; export the model again")
        # one more than compute at the same time, for the work before and after the network
        self.lanes = side_by_side(self.threads) + 1 if isinstance(runtime, Cloneable) else 1
        self._pool = Pool(self._lane(runtime), lambda: self._lane(_clone(runtime)), self.lanes)

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
        return self._inputs.batch if self._fixed or not self.config.keep_ratio else 1

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

    async def detect_async(self, image: Image, threshold: Wanted = None) -> Detections:
        """`detect` in a thread of the event loop's, which goes on with other tasks in the meantime."""
        return await asyncio.to_thread(self.detect, image, threshold)

    def stream(self, images: Iterable[Image], threshold: Wanted = None) -> Iterator[Detections]:
        """The Detections of each image, in order; reading, network and the rest of several images overlap.

        `images` may be endless, as the frames of a camera: a few are taken ahead, in the caller's thread, and as many
        are kept. An image that cannot be read ends the stream with the error of `detect`, after those before it.
        Closing the iterator (it closes itself when nothing refers to it) ends its threads. An array must stay as it is
        until its result is there.

        threshold: as of `detect`.
        """
        lowest = self._lowest(threshold)
        return map_ahead(lambda image: self._detect_group([image], lowest)[0], images, self.lanes)

    def track(
        self,
        frames: Iterable[Image],
        frame_rate: float = 30.0,
        threshold: Wanted = None,
        classes: Sequence[str] | None = None,
        tile: tuple[int, int] | None = None,
        overlap: float = 0.25,
    ) -> Iterator[Tracked]:
        """The objects of each frame of a video, in order, with ids that stay; `frames` are taken as `stream` does.

        Args:
            frames: the frames of one video, in order.
            frame_rate: frames per second; a track that is not seen for a second has ended.
            threshold: as of `detect`; less confident detections continue tracks, but begin none.
            classes: the names of the classes to follow; None: all.
            tile, overlap: detect in tiles, as `detect_sliced` does; None: in the whole frame only.

        Raises:
            DeployError: an option is wrong, or the library for it (trackers) is not installed.
        """
        limit = self._lowest(threshold)
        wanted = class_numbers(self.labels if classes is None else classes, self.labels)
        tracker, lowest = Tracker(frame_rate, limit), min(LOWEST_SCORE, float(np.min(limit)))

        def find(image: Image) -> Detections:
            if tile is None:
                return of_classes(self._detect_group([image], lowest)[0], wanted)
            return of_classes(self.detect_sliced(image, tile, overlap, lowest), wanted)

        return (tracker.update(found) for found in map_ahead(find, frames, self.lanes))

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

    # ---- the stages of `detect`: load, prepare and run of a Lane, finish; benchmark.py measures each ----

    def load(self, image: Image, order: str | None = None) -> tuple[np.ndarray, str]:
        """The image [h, w, 3] uint8 and its color order. `order`: color order of an array; default: the detector's."""
        if isinstance(image, (str, Path)):
            return read_image(image), "bgr"
        return three_channels(image), order or self._order

    def lane(self) -> AbstractContextManager[Lane]:
        """Context in which the caller alone has a Lane, which prepares images and runs the network."""
        return self._pool.lend()

    def finish(self, outputs: Sequence[np.ndarray], prepared: Prepared, threshold: Threshold) -> list[Detections]:
        """The Detections of each image: NMS if the model has none, units, threshold and names."""
        outputs = as_nms_outputs(outputs)
        check_outputs(outputs, self.config)
        height, width = prepared.image.shape[2:]
        factors = self._inputs.pad(prepared.scale_factor)
        units = box_units(outputs, self.config, "scale_factor" in self._inputs.ports)
        rows = detections(outputs, self.config, units, (height, width), factors, threshold)
        return [from_rows(each, self.labels, threshold) for each in rows[: len(prepared.scale_factor)]]

    # ---- what the stages share ----

    def _detect(self, images: Sequence[Image], threshold: Wanted, order: str | None = None) -> list[Detections]:
        """The Detections of all images, computed for as many at a time as the model takes."""
        lowest = self._lowest(threshold)
        size = self.max_batch_size or self._batch_size
        groups = [images[start : start + size] for start in range(0, len(images), size)]
        return [found for group in groups for found in self._detect_group(group, lowest, order)]

    def _detect_group(self, group: Sequence[Image], lowest: Threshold, order: str | None = None) -> list[Detections]:
        """The Detections of images that the network takes together."""
        loaded = [self.load(image, order) for image in group]
        with self.lane() as lane:
            prepared = lane.prepare(loaded)
            finished = self.finish(lane.run(prepared), prepared, lowest)
        return [
            replace(found, path=_path(image), order=colors)
            for image, (_, colors), found in zip(group, loaded, finished, strict=True)
        ]

    def _lane(self, runtime: Backend) -> Lane:
        preprocess = Preprocessor(self.config, self._fixed, self._inputs.ports["image"].dtype)
        return Lane(runtime, preprocess, self._inputs, self.backend, self.file)

    def _lowest(self, threshold: Wanted) -> Threshold:
        return self.threshold if threshold is None else self._threshold(threshold)

    def _threshold(self, wanted: float | Literal["model"]) -> Threshold:
        if not isinstance(wanted, str) or wanted != "model":  # an array is compared entry by entry
            return _checked(wanted)
        of_classes = self.config.thresholds
        return self.config.threshold if of_classes is None else np.array(of_classes, np.float32)


def _clone(runtime: Backend) -> Backend:
    return runtime.clone() if isinstance(runtime, Cloneable) else runtime


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
