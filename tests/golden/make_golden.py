"""Writes the files that tests/modeling/test_small_golden.py compares with:  python -m tests.golden.make_golden

Run it only on a commit whose numbers have been compared with PaddleDetection's (the tests that use `shared/golden`).
"""

from __future__ import annotations

import numpy as np

from tests.golden.small import MODELS, measure, stored

if __name__ == "__main__":
    for name in MODELS:
        np.savez_compressed(stored(name), **measure(name))
        print(f"{stored(name)}: {stored(name).stat().st_size} bytes")
