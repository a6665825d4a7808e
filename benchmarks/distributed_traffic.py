"""What an update asks of each of several cards, and what that lets expect.  python3 benchmarks/distributed_traffic.py

Counts launches, copies, waits and collectives on plug-in devices (tests/device/plugin), which talk through shared
memory. Images are small, because none of the numbers of an update depends on their size, except for the batch's bytes.
The second table is COMPUTED from the first one and from the figures given as options; nothing in it was measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

from benchmarks.device_traffic import write_inputs
from tests.device.build import build
from tests.device.counted_ranks import count_ranks
from tests.device.traffic import Traffic
from tests.support.datasets import CLASSES

LOG_EVERY = 4
PARTS = ("update", "log line", "exchange of stop requests", "finiteness check", "broadcast_state", "start")
KINDS = ("all_reduce", "all_gather", "broadcast", "device_to_device", "host_to_device", "device_to_host")
LAST_MB = 0.3  # of gradients in the last all-reduce, which begins after the backward pass


def count(ranks: int, config: str, updates: int) -> dict[str, list[Traffic]]:
    """Returns rank 0's traffic, part by part, in a training on 80 classes with one image per rank and update."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plugin").mkdir()
        build(folder / "plugin")
        write_inputs(folder, config, updates * ranks, epochs=1)
        add_classes(folder / "boxes.json", 80)
        overrides = ("num_classes=80", "TrainReader.batch_size=1", f"log_iter={LOG_EVERY}")
        found = count_ranks(folder / "plugin", folder / "ranks", ranks, folder / "counted.yml", *overrides)
    traffic: dict[str, list[Traffic]] = found[0]["traffic"]
    return traffic


def add_classes(boxes: Path, total: int) -> None:
    """Adds classes without boxes to the annotation file `boxes`."""
    content = json.loads(boxes.read_text())
    content["categories"] += [{"id": i + 1, "name": f"class {i}"} for i in range(len(CLASSES), total)]
    boxes.write_text(json.dumps(content))


@dataclass(frozen=True)
class Assumptions:
    """Figures of the cards and of their links; see the options."""

    step_ms: float
    launch_us: float
    bandwidth: float
    latency_us: float
    beside: float

    def ring_ms(self, cards: int, size: float) -> float:
        """Time of an all-reduce of `size` bytes: each card sends 2 (n - 1) / n of them, in 2 (n - 1) messages."""
        return 2 * (cards - 1) * (size / cards / (self.bandwidth * 1e6) + self.latency_us / 1e3)

    def update_ms(self, cards: int, update: Traffic) -> tuple[float, float]:
        """Returns the time of an update, and the part of it in which a card only waits for the others."""
        if cards == 1:
            return max(self.step_ms, sum(update.launches.values()) * self.launch_us / 1e3), 0.0
        last = LAST_MB * 1e6
        first = update.bytes["all_reduce"] - last
        waits = self.ring_ms(cards, last) + max(0.0, self.ring_ms(cards, first) - self.beside * self.step_ms)
        host = (sum(update.launches.values()) + update.count("all_reduce")) * self.launch_us / 1e3
        return max(host, self.step_ms + waits), waits


def counted_table(found: dict[int, dict[str, list[Traffic]]]) -> list[str]:
    lines = ["| cards | part | launches | " + " | ".join(KINDS) + " | waits of the host |"]
    lines.append("| --- " * (len(KINDS) + 4) + "|")
    for cards, traffic in found.items():
        for part in PARTS:
            # the last one: the first update also makes the optimizer's velocities
            if part in traffic:  # a batch is sent ahead, so an update may have none or two
                typical = max(reversed(traffic[part]), key=lambda each: each.count("host_to_device") == 1)
                lines.append(f"| {cards} | {part} | {' | '.join(cells(typical))} |")
    return lines


def cells(found: Traffic) -> list[str]:
    sizes = [
        f"{found.count(kind)} ({found.bytes.get(kind, 0):,} bytes)" if found.count(kind) else "0" for kind in KINDS
    ]
    return [str(sum(found.launches.values())), *sizes, str(found.count("main_thread_waits"))]


def computed_table(update: Traffic, alone: Traffic, steps: list[float], figures: dict[str, float]) -> list[str]:
    lines = ["| ms per step of one card | cards | MB sent by each card | waits for others, ms | update, ms | scaling |"]
    lines.append("| --- " * 6 + "|")
    for step_ms in steps:
        assumed = Assumptions(step_ms=step_ms, **figures)
        one = assumed.update_ms(1, alone)[0]
        for cards in (1, 2, 4, 8):
            took, waits = assumed.update_ms(cards, update if cards > 1 else alone)
            sent = 2 * (cards - 1) / cards * update.bytes["all_reduce"] / 1e6
            row = (
                f"{step_ms:g}",
                f"{cards}",
                f"{sent:.1f}",
                f"{waits:.2f}",
                f"{took:.1f}",
                f"{cards * one / took:.2f}",
            )
            lines.append(f"| {' | '.join(row)} |")
    return lines


def parse() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", default="picodet_s_320_coco_lcnet.yml", help="of configs/picodet")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 8], help="numbers of cards to count with")
    parser.add_argument("--updates", type=int, default=8)
    assumed = parser.add_argument_group("assumptions of the computed table")
    assumed.add_argument("--step-ms", type=float, nargs="+", default=[20, 100], help="step of one card")
    assumed.add_argument("--launch-us", type=float, default=5, help="time of the host for a launch")
    assumed.add_argument("--bandwidth", type=float, default=10, help="GB/s of a link between cards, each way")
    assumed.add_argument("--latency-us", type=float, default=10, help="time of a message")
    assumed.add_argument("--beside", type=float, default=0.15, help="part of a step after the first bucket is complete")
    return parser.parse_args()


def main() -> None:
    args = parse()
    found = {ranks: count(ranks, args.config, args.updates) for ranks in args.ranks}
    print(f"COUNTED on each rank, {args.config}:", *counted_table(found), sep="\n")
    several = [ranks for ranks in found if ranks > 1]
    if 1 in found and several:
        names = ("launch_us", "bandwidth", "latency_us", "beside")
        figures = {name: getattr(args, name) for name in names}
        print(f"\nCOMPUTED, not measured, for {figures}:")
        update, alone = found[several[-1]]["update"][-1], found[1]["update"][-1]
        print(*computed_table(update, alone, args.step_ms, figures), sep="\n")


if __name__ == "__main__":
    main()
