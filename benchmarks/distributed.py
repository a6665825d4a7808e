"""Images per second of training on one and on two processes, one thread each.  python3 benchmarks/distributed.py

They take turns; the first updates are left out. Two trainings of one process each at the same time show what the
machine itself allows.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

from benchmarks.measure import report
from tests.support.ranks import run_ranks


def images_per_second(world_size: int, jobs: int, folder: Path, args: argparse.Namespace) -> float:
    """Of `jobs` trainings at once on `world_size` processes each, every process with a batch of its own."""

    def run(job: int) -> float:
        options = (args.config, args.batch, args.size, args.steps)
        ranks = run_ranks("training_speed", world_size, folder / f"{job}", *options)
        return sum(float(found["images_per_second"]) for found in ranks)

    with ThreadPoolExecutor() as pool:
        return sum(pool.map(run, range(jobs)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", default=str(ROOT / "configs/picodet/picodet_s_320_coco_lcnet.yml"))
    parser.add_argument("--batch", type=int, default=8, help="images per process and update")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    ways = {"one process": (1, 1), "two processes": (2, 1), "two that do not talk": (1, 2)}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.repeats):
            for name, (world_size, jobs) in ways.items():
                rates[name].append(images_per_second(world_size, jobs, Path(folder), args))
    report("seconds/image", {name: [1 / rate for rate in found] for name, found in rates.items()})


if __name__ == "__main__":
    main()
