"""What the processor and the environment ask for."""

from __future__ import annotations

import pytest

from ppdet.runtime import cpu_tuning
from ppdet.runtime.cpu_tuning import cpu_threads, mkl_code_path

AVX512 = "avx512f avx512bw avx512cd avx512dq avx512vl"


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("GenuineIntel", f"avx2 fma {AVX512}", None),
        ("AuthenticAMD", "sse2 avx", None),
        ("AuthenticAMD", "avx2 fma", "5"),
        ("AuthenticAMD", f"avx2 fma {AVX512}", "7"),
    ],
)
def test_mkl_code_path(vendor, flags, expected):
    assert mkl_code_path(f"vendor_id\t: {vendor}\nflags\t\t: fpu {flags} nx\n") == expected


def test_no_cpuinfo():
    assert mkl_code_path("") is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 8),
        ({"PADDLE_LOCAL_SIZE": "2"}, 4),
        ({"PADDLE_LOCAL_SIZE": "20"}, 1),
        ({"PADDLE_LOCAL_SIZE": "0"}, 8),
        ({"PADDLE_LOCAL_SIZE": "two"}, 8),
        ({"MKL_NUM_THREADS": "3"}, 3),
        ({"MKL_NUM_THREADS": "0"}, 8),
        ({"MKL_NUM_THREADS": "²"}, 8),
    ],
)
def test_threads(monkeypatch, environment, expected):
    for name in ("MKL_NUM_THREADS", "PADDLE_LOCAL_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cpu_tuning, "allowed_cores", lambda: 8.9)
    cpu_threads.cache_clear()
    try:
        assert cpu_threads() == expected
    finally:
        cpu_threads.cache_clear()
