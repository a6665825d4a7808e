"""Compiles the plug-in in plugin/ against the installed Paddle.  python3 tests/device/build.py <folder>

A process whose CUSTOM_DEVICE_ROOT names the folder has the devices.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

SOURCE = Path(__file__).parent / "plugin" / "plugin.cc"
LIBRARY = "libguarded_device.so"


def missing_tool() -> str:
    """Returns why the plug-in cannot be compiled here, or an empty string."""
    if sys.platform != "linux":
        return "the plug-in device needs Linux"
    return "" if shutil.which("g++") else "the plug-in device needs g++"


def build(folder: Path) -> None:
    """Compiles into `folder`, which must exist. Takes four seconds. Ends the process if that is not possible here."""
    if reason := missing_tool():
        sys.exit(reason)
    spec = importlib.util.find_spec("paddle")
    assert spec
    assert spec.submodule_search_locations
    paddle = Path(spec.submodule_search_locations[0])
    options = ["-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
    options += [f"-isystem{paddle}/include", f"-DPADDLE_MAJOR={version('paddlepaddle').split('.')[0]}"]
    libraries = [f"-L{paddle}/base", "-l:libpaddle.so", "-ldl"]
    subprocess.run(["g++", *options, SOURCE, "-o", folder / LIBRARY, *libraries], check=True)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    build(target)
