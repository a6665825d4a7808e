"""What our code costs at the start beyond Paddle: python3 benchmarks/startup.py"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 5
TRAIN = "ppdet.training.callbacks, ppdet.session, ppdet.training.loop, ppdet.training.setup"
COMMANDS = {
    "import paddle": ["-c", "import paddle"],
    "import paddle, ppdet": ["-c", "import paddle, ppdet"],
    "all that tools/train.py imports": ["-c", f"import {TRAIN}"],
    "tools/train.py --help": ["tools/train.py", "--help"],
    "tools/train.py --no-such-flag": ["tools/train.py", "-c", "x.yml", "--no-such-flag"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, check=False)
    return time.perf_counter() - start


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(runs) for name, runs in times.items()}
    for name, median in medians.items():
        beyond = f"  {median - medians['import paddle']:+.2f} s beyond Paddle" if "import" in name else ""
        print(f"{name:34s}{median:6.2f} s{beyond}")


if __name__ == "__main__":
    main()
