"""Does what `ppdet track` asks for: follows and counts objects in a video and writes the results."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from ..detector import Detector
from ..errors import say
from ..labels import describe_undrawable
from ..outputs import result_path
from ..postprocess import describe_threshold
from ..video import SUFFIX, Video, draw_video, shown_source, stream_name
from .counting import RegionCounter, make_counters, update_all
from .overlay import draw_counters
from .regions import Region, check_names, from_file, from_options
from .results import Results
from .tracked import Tracked
from .tracker import check_frame_rate, class_numbers, import_byte_track


def run(args: argparse.Namespace) -> None:
    """Runs the options of `ppdet track`. Raises DeployError if one is wrong."""
    if args.frame_rate is not None:
        check_frame_rate(args.frame_rate)
    regions = from_options(args.line, args.zone)
    regions += from_file(args.regions) if args.regions else []
    check_names(regions)
    import_byte_track()  # before the model is loaded
    detector = Detector(args.model, args.backend, args.threads, args.threshold, "bgr")
    class_numbers(args.classes or (), detector.labels)
    say(f"{detector.file}: {detector.backend}, {detector.threads} threads, {describe_threshold(detector.threshold)}")
    if warning := describe_undrawable(detector.labels):
        say(f"warning: {warning}", error=True)
    with closing(Results(detector.labels)) as results:
        job = _Job(args, detector, regions, results)
        count = draw_video(job.source, job.target, job.drawn, job.keep)
    say(f"{job.target}: {count} frames")
    for counter in job.counters:
        say(f"{counter.region.kind} {counter.region.name}: {counter.caption()}")


class _Job:
    """The work on one video.

    Attributes:
        source: a file, the address of a stream, or the number of a camera.
        target: the video to write.
        counters: those of the regions, once the size of the frames is known.
    """

    def __init__(self, args: argparse.Namespace, detector: Detector, regions: list[Region], results: Results) -> None:
        self._args, self._detector, self._regions, self._results = args, detector, regions, results
        self._about: dict[str, Any] = {}
        self.counters: list[RegionCounter] = []
        self.source: Path | str | int = args.camera_id if args.video_file is None else args.video_file
        if isinstance(self.source, Path):
            self.target = result_path(args.output_dir, self.source, (SUFFIX,), SUFFIX)
        else:
            self.target = args.output_dir / f"{stream_name(self.source)}{SUFFIX}"

    def drawn(self, video: Video) -> Generator[np.ndarray, None, None]:
        """The frames with their objects and counts."""
        rate, (height, width) = self._args.frame_rate or video.rate, video.size
        self._about = {"video": shown_source(self.source), "frame_rate": rate, "width": width, "height": height}
        self.counters = make_counters(self._regions, video.size)
        waiting: deque[np.ndarray] = deque()  # frames that the detector has taken ahead
        for found in self._track(_kept(video.frames, waiting), rate):
            update_all(self.counters, found, self._args.anchor)
            self._results.add(found)
            image = found.plot(waiting.popleft())
            draw_counters(image, self.counters)
            yield image

    def keep(self, frames: int) -> None:
        """Writes the results of the first `frames` frames."""
        self._results.write(self.target, frames, self._about, self.counters)

    def _track(self, frames: Iterator[np.ndarray], rate: float) -> Iterator[Tracked]:
        args = self._args
        tile = (args.slice_size[-1], args.slice_size[0]) if args.slice_infer else None
        return self._detector.track(frames, rate, None, args.classes, tile, max(args.overlap_ratio))


def _kept(frames: Iterator[np.ndarray], waiting: deque[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames, each put into `waiting` as well."""
    for frame in frames:
        waiting.append(frame)
        yield frame
