"""Memory of a training run over its epochs, all its processes together.  python3 benchmarks/memory.py [--epochs 20]

Trains the demo (drawn if it is not there), evaluating after every epoch. Linux.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
DEMO = "configs/picodet/picodet_xs_demo.yml"


def proportional_mb(pid: int) -> float:
    """Memory of a process and its descendants, MB; what several share counts once."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return 0.0
    own = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return own / 1024 + sum(proportional_mb(int(child)) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    subprocess.run([sys.executable, "dataset/demo/make_demo.py"], cwd=ROOT, check=True)
    samples: dict[int, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        options = [f"epoch={args.epochs}", "snapshot_epoch=1", f"save_dir={folder}", "filename=memory"]
        command = [sys.executable, "tools/train.py", "-c", DEMO, "--eval", "--seed", "0", "-o", *options]
        run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while run.poll() is None:
            samples[_epoch(Path(folder) / "memory" / "metrics.jsonl")].append(proportional_mb(run.pid))
            time.sleep(0.2)
    if run.returncode:
        sys.exit(f"training ended with status {run.returncode}")
    last = args.epochs
    for epoch in range(1, last + 1):
        print(f"epoch {epoch:3d}  median {median(samples[epoch]):6.0f} MB  peak {max(samples[epoch]):6.0f} MB")
    for name, of in (("median", median), ("peak", max)):
        print(f"{name}: growth from epoch 3 to {last}: {100 * (of(samples[last]) / of(samples[3]) - 1):+.1f} %")


def _epoch(log: Path) -> int:
    """The epoch of the last record, 0 before the first."""
    lines = log.read_text().splitlines() if log.is_file() else []
    return json.loads(lines[-1])["epoch"] if lines else 0


if __name__ == "__main__":
    main()
