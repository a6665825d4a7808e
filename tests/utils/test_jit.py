"""Compiled code: the same numbers when it is compiled and when it is read, and no file that can stop a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

ROOT = Path(__file__).resolve().parents[2]
SQUARE = """
import logging
import sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(message)s")
logging.getLogger("numba").setLevel(logging.WARNING)
from square import square
print("square", square(3.0), "misses", sum(square.stats.cache_misses.values()))
"""
MODULE = """
from numba import float64
from ppdet.utils.jit import compiled

@compiled([float64(float64)])
def square(x):
    return x * x
"""
# what every compiled loop gives for the same inputs; parallel loops on two threads
ALL_LOOPS = """
import zlib
import numba
import numpy as np
from ppdet.data.ops import numba_kernels as reading
from ppdet.modeling.cpu_training import numba_kernels as training

numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
rng = np.random.default_rng(0)

def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)

def show(name, *arrays):
    print(name, *(zlib.crc32(np.ascontiguousarray(array)) for array in arrays))

for kernel in (3, 5, 7):
    for stride in (1, 2):
        x, weight = normal(2, 8, 17, 39), normal(8, kernel, kernel)
        out = np.zeros((2, 8, 16 // stride + 1, 38 // stride + 1), np.float32)
        training.correlate(x, weight, out, 1, stride)
        grad, grad_x, grad_weight = normal(*out.shape), np.zeros_like(x), np.zeros_like(weight)
        training.correlate(grad, weight, grad_x, stride, 1)
        training.weight_gradient(x, grad, grad_weight, stride)
        show(f"convolution {kernel} {stride}", out, grad_x, grad_weight)
x, grad, channel = normal(2, 8, 323), normal(2, 8, 323), [normal(8) for _ in range(4)]
mean, variance, out = *np.zeros((2, 8), np.float32), np.zeros_like(x)
training.batch_statistics(x, mean, variance)
show("statistics", mean, variance)
for hard_swish in (True, False):
    training.norm_act(x, channel[0], channel[1], hard_swish, out)
    found = np.zeros_like(x), np.zeros(8, np.float32), np.zeros(8, np.float32)
    training.norm_act_gradient(x, grad, *channel, hard_swish, *found)
    show(f"norm and activation {hard_swish}", out, *found)
color, planes, out = normal(3, 4), rng.integers(0, 256, (3, 31, 45), np.uint8), np.zeros((3, 40, 50), np.float32)
reading.map_planes(planes, color, out)
show("colors", out)
lines, weights = normal(31, 45), normal(20, 8)
mixed = np.zeros((24, 48), np.float32)
reading.weighted_row_sum(lines, np.arange(-2, 18), weights, mixed)
show("rows", mixed)
boxes = np.abs(normal(5, 4)).cumsum(1) * 20
thresholds, bounds = np.array([0.1, 0.5]), np.array([0.3, 1.0, 0.5, 2.0])
rest = 97, 131, boxes, thresholds, bounds, 50, False
windows = [reading.choose_window(np.random.default_rng(i), *rest) for i in range(20)]
show("crops", np.array(windows))
"""


def run(code: str, cache: Path, **environment: str) -> str:
    """What `code` prints in a process of its own whose compiled code is kept in `cache`."""
    env = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": f"{ROOT}:{cache.parent}"} | environment
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=cache.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "square.py").write_text(MODULE)
    return tmp_path / "cache"


@pytest.mark.slow
def test_the_first_run_equals_the_later_ones(tmp_path):
    first = run(ALL_LOOPS, tmp_path / "cache")
    assert first.count("\n") == 12
    assert run(ALL_LOOPS, tmp_path / "cache") == first


def test_code_is_kept_and_the_wait_is_announced_once(cache):
    first = run(SQUARE, cache)
    assert "square 9.0 misses 1" in first
    assert first.count("compiling loops for this processor") == 1
    assert run(SQUARE, cache) == "square 9.0 misses 0\n"


OTHER_DAMAGES = [pytest.param(name, marks=pytest.mark.slow) for name in ("empty", "another's", "a folder")]


@pytest.mark.parametrize("damage", ["cut short", "a flipped bit", *OTHER_DAMAGES])
def test_damaged_code_is_compiled_again(cache, damage):
    run(SQUARE, cache)
    (file,) = cache.rglob("*.nbc")
    whole = file.read_bytes()
    if damage == "a folder":
        file.unlink()
        file.mkdir()
    else:
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        file.write_bytes(
            {"empty": b"", "cut short": whole[:-9], "a flipped bit": bytes(flipped)}.get(damage, b"\0" * 9)
        )
    assert "square 9.0 misses 1" in run(SQUARE, cache)
    if damage != "a folder":
        assert run(SQUARE, cache) == "square 9.0 misses 0\n"
    assert not list(cache.rglob("*.tmp"))


def test_a_changed_source_is_compiled_again(cache):
    run(SQUARE, cache)
    source = cache.parent / "square.py"
    source.write_text(MODULE.replace("x * x", "x * x + 1"))
    assert "square 10.0 misses 1" in run(SQUARE, cache)
    assert "square 10.0 misses 0" in run(SQUARE, cache)
    assert len(list(cache.rglob("*.nbc"))) <= 2


def test_a_cache_that_cannot_be_written_is_gone_without(cache):
    cache.write_text("a file where the folder should be")
    assert "square 9.0" in run(SQUARE, cache)


def test_a_full_disk_is_gone_without(cache):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    limit += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    assert "square 9.0 misses 1" in run(limit + SQUARE, cache)
    assert not [file for file in cache.rglob("*") if file.is_file() and file.stat().st_size]
