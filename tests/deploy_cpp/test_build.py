"""The C++ library's own tests, sanitizers, mutated files, clang-tidy, and use as an installed package."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.deploy.conftest import make_model
from tests.deploy_cpp.conftest import (
    SANITIZED,
    UNITY,
    build,
    configure,
    ncnn_options,
    onnxruntime_options,
    openvino_option,
    run,
)
from tests.support.cpp_library import SOURCE


def test_units(quick_build: Path) -> None:
    """Kinds of outputs, NMS, tiles, checksums, and that nothing is allocated after the first image."""
    done = run(quick_build / "tests" / "picodet_unit")
    assert done.returncode == 0, done.stdout


def test_detection_allocates_nothing_and_knows_no_decimal_comma(quick_build: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "export" / "model.onnx")
    done = run(quick_build / "tests" / "picodet_whole", model, "openvino")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_so_it_is_with_other_runtimes(release: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "export" / "model.onnx")
    for backend in ["openvino", *(["onnxruntime"] if os.environ.get("ONNXRUNTIME_INCLUDE_DIR") else [])]:
        done = run(release / "build" / "tests" / "picodet_whole", model, backend)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_sanitizers_find_nothing_in_the_units(sanitized: Path) -> None:
    done = run(sanitized / "picodet_unit", **SANITIZED)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("is_checked", [False, True])
def test_a_hundred_mutated_models(sanitized: Path, tmp_path: Path, is_checked: bool) -> None:
    """Without a checksum all of them reach the runtime."""
    from ppdet.deploy.checksum import model_checksum
    from tests.deploy.conftest import INFER_CFG

    model = make_model(tmp_path / "a" / "model.onnx")
    if is_checked:
        model = make_model(tmp_path / "b" / "model.onnx", {**INFER_CFG, "checksum": model_checksum(model)})
    done = run(sanitized / "picodet_fuzz", model, "100", "1", **SANITIZED)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_five_hundred_mutated_images(sanitized: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "export" / "model.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    image = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
    for suffix in (".jpg", ".png", ".webp", ".tiff", ".bmp"):
        file = tmp_path / f"image{suffix}"
        assert cv2.imwrite(str(file), image)
        done = run(sanitized / "picodet_fuzz", file, "100", "2", model, **SANITIZED)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted(f"{file.parent.name}/{file.name}" for file in SOURCE.glob("[cs]*/*.cpp")))
def test_clang_tidy_finds_nothing(release: Path, source: str) -> None:
    if not shutil.which("clang-tidy"):
        pytest.skip("clang-tidy is not installed")
    if source not in (release / "build" / "compile_commands.json").read_text():
        pytest.skip(f"{source} belongs to a back end that is not built")
    done = run("clang-tidy", "--quiet", "-p", release / "build", SOURCE / source)
    assert done.returncode == 0, done.stdout


PROGRAM = """#include <iostream>
#include <picodet/picodet.hpp>
int main(int, char** values) {
  const std::vector<std::uint8_t> pixels(64 * 64 * 3, 200);
  std::cout << picodet::Detector(values[1]).detect({pixels.data(), 64, 64}).size() << "\\n";
}
"""
C_PROGRAM = """#include <picodet/picodet.h>
#include <stdio.h>
int main(int count, char** values) {
  char error[200];
  if (picodet_num_classes(NULL) != 0 || picodet_label(NULL, 0) || picodet_backend(NULL)) return 3;
  picodet_detector* detector = picodet_create(values[count - 1], NULL, 1, -1, error, sizeof error);
  if (detector == NULL) return puts(error), 2;
  puts(picodet_label(detector, 1));
  picodet_destroy(detector);
  return 0;
}
"""
PROJECT = """cmake_minimum_required(VERSION 3.18)
project(user LANGUAGES C CXX)
find_package(picodet 1.0 REQUIRED)
add_executable(in_cpp in_cpp.cpp)
add_executable(in_c in_c.c)
foreach(program in_cpp in_c)
  target_link_libraries(${program} PRIVATE picodet::picodet)
endforeach()
"""


@pytest.mark.slow
@pytest.mark.parametrize("shared", ["ON", "OFF"])
def test_an_installed_library_is_found_by_cmake_where_it_was_moved_to(tmp_path: Path, shared: str) -> None:
    """Shared, it needs no files of its runtimes but their libraries."""
    runtimes = [openvino_option(), *onnxruntime_options(tmp_path / "lib_onnxruntime"), *ncnn_options()]
    options = ["-DPICODET_OPENVINO=ON", *runtimes, *UNITY, f"-DBUILD_SHARED_LIBS={shared}", "-DPICODET_CLI=OFF"]
    configure(SOURCE, tmp_path / "build", *options, f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'prefix'}")
    build(tmp_path / "build", "--target", "install")
    shutil.rmtree(tmp_path / "build")
    prefix = (tmp_path / "prefix").rename(tmp_path / "somewhere else")
    user = tmp_path / "user"
    user.mkdir()
    for name, text in (("in_cpp.cpp", PROGRAM), ("in_c.c", C_PROGRAM), ("CMakeLists.txt", PROJECT)):
        (user / name).write_text(text)
    configure(user, user / "build", f"-DCMAKE_PREFIX_PATH={prefix}", *(runtimes if shared == "OFF" else []))
    build(user / "build")
    model = make_model(tmp_path / "export" / "model.onnx")
    assert run(user / "build" / "in_cpp", model).stdout == "1\n"
    assert run(user / "build" / "in_c", model).stdout == "dog\n"
    assert "no such file" in run(user / "build" / "in_c", tmp_path / "none").stdout
