"""The C++ library, built once for all tests that use it. With these variables the slow tests build more back ends:

ONNXRUNTIME_INCLUDE_DIR: folder of onnxruntime_c_api.h.
NCNN_DIR: folder of ncnnConfig.cmake.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cpp_library import SOURCE, CppDetectors

# Runtimes keep memory until the process ends, and may be asked by a mutated model for more than there is.
SANITIZED = {"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
UNITY = ("-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=0", "-DCMAKE_BUILD_TYPE=Debug")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, errors="replace", timeout=3000, env=env
    )


def package_folder(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(found.origin).parent


def openvino_option() -> str:
    cmake = package_folder("openvino") / "cmake"
    if not cmake.is_dir():
        pytest.skip(f"{cmake}: this package of openvino has no files for CMake")
    return f"-DOpenVINO_DIR={cmake}"


def onnxruntime_options(folder: Path) -> list[str]:
    """Options that add the back end, if its header is there. The package's library gets the name that it asks for."""
    include = os.environ.get("ONNXRUNTIME_INCLUDE_DIR")
    if not include:
        return []
    folder.mkdir(exist_ok=True)
    library = folder / "libonnxruntime.so.1"
    if not library.exists():
        library.symlink_to(next((package_folder("onnxruntime") / "capi").glob("libonnxruntime.so.*")))
    return ["-DPICODET_ONNXRUNTIME=ON", f"-DOnnxRuntime_INCLUDE_DIR={include}", f"-DOnnxRuntime_LIBRARY={library}"]


def ncnn_options() -> list[str]:
    folder = os.environ.get("NCNN_DIR")
    return ["-DPICODET_NCNN=ON", f"-Dncnn_DIR={folder}"] if folder else []


def configure(source: Path, folder: Path, *options: str) -> None:
    """Configures a build. Skips the test if a compiler, CMake or a library is not installed."""
    for program in ("cmake", "c++"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    done = run("cmake", "-S", source, "-B", folder, *options)
    if done.returncode and "package configuration file provided by" in done.stderr:
        pytest.skip(f"CMake does not find a library: {done.stderr.strip().splitlines()[1].strip()}")
    assert done.returncode == 0, done.stderr


def build(folder: Path, *options: str | Path) -> None:
    done = run("cmake", "--build", folder, *options)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def quick_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a build in which all sources are one, which takes the compiler half a minute less."""
    folder = tmp_path_factory.mktemp("cpp")
    configure(
        SOURCE, folder, *UNITY, "-DPICODET_OPENVINO=ON", openvino_option(), "-DPICODET_CLI=OFF", "-DPICODET_TESTS=ON"
    )
    build(folder)
    return folder


@pytest.fixture(scope="session")
def cpp(quick_build: Path) -> CppDetectors:
    return CppDetectors(quick_build / "libpicodet.so")


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installed build with the command line, all back ends and, in build/tests, the test programs."""
    folder = tmp_path_factory.mktemp("release")
    options = [openvino_option(), *onnxruntime_options(folder / "lib_onnxruntime"), *ncnn_options()]
    options += ["-DPICODET_OPENVINO=ON", "-DPICODET_TESTS=ON", f"-DCMAKE_INSTALL_PREFIX={folder}"]
    configure(SOURCE, folder / "build", *options)
    build(folder / "build", "--target", "install")
    return folder


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the test programs, built with AddressSanitizer and UndefinedBehaviorSanitizer."""
    folder = tmp_path_factory.mktemp("sanitized")
    options = [openvino_option(), *onnxruntime_options(folder / "lib_onnxruntime"), *ncnn_options(), *UNITY]
    options += ["-DPICODET_OPENVINO=ON", "-DPICODET_SANITIZE=address,undefined", "-DPICODET_TESTS=ON"]
    configure(SOURCE, folder, *options)
    build(folder)
    return folder / "tests"
