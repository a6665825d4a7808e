"""Settings that C++ libraries read from the environment when they are loaded."""

from __future__ import annotations

import os

# the program says the same in one line
_QUIET = {"GLOG_minloglevel": "2", "OPENCV_LOG_LEVEL": "OFF", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
_ALWAYS = {
    "OPENCV_IO_MAX_IMAGE_PIXELS": "180000000",  # a second guard behind image_files.MAX_PIXELS
    # OpenMP threads spin while they wait, for up to 200 ms after every parallel loop, on cores that others need: the
    # reader's workers, the other OpenMP library (numba brings GNU's, Paddle Intel's), other programs
    "OMP_WAIT_POLICY": "passive",
}


def prepare_libraries(quiet: bool = True) -> None:
    """Set what Paddle, OpenCV and OpenMP read, unless the user did. For command lines, before anything is loaded."""
    for name, value in {**_ALWAYS, **(_QUIET if quiet else {})}.items():
        os.environ.setdefault(name, value)
