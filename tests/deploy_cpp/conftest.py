"""The C++ library, built once for all tests that use it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cpp_library import SOURCE, CppDetectors


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=1200)


def configure(folder: Path, *options: str) -> None:
    """Configures a build with OpenVINO. Skips the test if a compiler, CMake or a library is not installed."""
    for program in ("cmake", "c++"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    found = importlib.util.find_spec("openvino")
    if found is None or found.origin is None:
        pytest.skip("openvino is not installed")
    cmake = Path(found.origin).parent / "cmake"
    if not cmake.is_dir():
        pytest.skip(f"{cmake}: this package of openvino has no files for CMake")
    done = run("cmake", "-S", SOURCE, "-B", folder, "-DPICODET_OPENVINO=ON", f"-DOpenVINO_DIR={cmake}", *options)
    if done.returncode and "package configuration file provided by" in done.stderr:
        pytest.skip(f"CMake does not find a library: {done.stderr.strip().splitlines()[1].strip()}")
    assert done.returncode == 0, done.stderr


def build(folder: Path, *options: str) -> None:
    done = run("cmake", "--build", folder, *options)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def quick_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a build in which all sources are one, which takes the compiler half a minute less."""
    folder = tmp_path_factory.mktemp("cpp")
    unity = ("-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=0", "-DCMAKE_BUILD_TYPE=Debug")
    configure(folder, *unity, "-DPICODET_CLI=OFF", "-DPICODET_TESTS=ON")
    build(folder)
    return folder


@pytest.fixture(scope="session")
def cpp(quick_build: Path) -> CppDetectors:
    return CppDetectors(quick_build / "libpicodet.so")
