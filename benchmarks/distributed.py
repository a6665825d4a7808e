"""Images per second of training on one and on two processes, one thread each.  python3 benchmarks/distributed.py

Both start from the same config and weights and are timed in turn; the first updates are left out.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

from benchmarks.measure import report
from tests.engine.ranks import run_ranks


def images_per_second(world_size: int, folder: Path, args: argparse.Namespace) -> float:
    """Of all processes together, each with a batch of its own."""
    ranks = run_ranks("training_speed", world_size, folder, args.config, args.batch, args.size, args.steps)
    return sum(float(found["images_per_second"]) for found in ranks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", default=str(ROOT / "configs/picodet/picodet_s_320_coco_lcnet.yml"))
    parser.add_argument("--batch", type=int, default=8, help="images per process and update")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.repeats):
            for world_size, found in rates.items():
                found.append(images_per_second(world_size, Path(folder), args))
    report("seconds/image", {f"{n} process(es)": [1 / rate for rate in found] for n, found in rates.items()})


if __name__ == "__main__":
    main()
