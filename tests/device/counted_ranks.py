"""A training on several plug-in devices whose traffic is counted part by part.

`count_ranks` starts it with Paddle's launcher. Each rank runs this file and writes `<folder>/<rank>.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.device.machine import KIND
from tests.device.traffic import Traffic, take
from tests.support.workspaces import ROOT


def count_ranks(plugin: Path, folder: Path, ranks: int, config: Path, *overrides: str) -> list[dict[str, Any]]:
    """Returns what each rank found, see `train_and_count`, with Traffic in place of dicts.

    Args:
        plugin: the folder of the compiled plug-in.
        folder: for the logs and results.
        ranks: their number, each on a device of its own.
        config: is trained with `overrides`.
    """
    plugged = {"CUSTOM_DEVICE_ROOT": str(plugin), "GUARDED_COUNT": str(ranks), "PADDLE_XCCL_BACKEND": KIND}
    launcher = ["-m", "paddle.distributed.launch", "--log_dir", folder / "log", "--devices"]
    command = [sys.executable, *launcher, ",".join(map(str, range(ranks))), __file__, folder, config, *overrides]
    env = os.environ | plugged | {"GLOG_minloglevel": "2", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(ranks)]
    for each in found:
        parts = each["traffic"].items()
        each["traffic"] = {name: [Traffic(**one) for one in counted] for name, counted in parts}
    return found


@dataclass
class Counters:
    """Stands for a learning rate, which is asked at the start of every update.

    Attributes:
        schedule: the learning rate.
        traffic: by part; each time that it was done. An `update` is one without any of the other parts.
    """

    schedule: Any
    traffic: dict[str, list[Traffic]] = field(default_factory=lambda: defaultdict(list))
    _plain: bool = False  # whether the update had no other part so far

    def at(self, updates: int, steps_per_epoch: int) -> float:
        counted = take()
        if self._plain:
            self.traffic["update"].append(counted)
        self._plain = True
        rate: float = self.schedule.at(updates, steps_per_epoch)
        return rate

    def counting(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Returns `call`, whose traffic is counted as that of `part`."""

        def counted(*arguments: Any) -> Any:
            self._plain = False
            take()
            result = call(*arguments)
            self.traffic[part].append(take())
            return result

        return counted


def train_and_count(config: Path, *overrides: str) -> dict[str, Any]:
    """Trains on this rank.

    Returns:
        `traffic`: of each part, as dicts; `sizes`: of the images of each update; and digests: of the weights
        (`weights`), and of all state before (`own_state`) and after (`shared_state`) it is made equal.
    """
    from ppdet.runtime import distributed, signals
    from ppdet.training import loop
    from ppdet.training.setup import build_trainer
    from tests.support.tiny import make_run

    distributed.init()
    trainer, progress = build_trainer(make_run(config, *overrides))
    counters, model, sizes = Counters(trainer.learning_rate), trainer.model, []
    if distributed.world_size() > 1:
        signals._POLL_SECONDS = 1e9  # after the first update only
        signals.GracefulStop.sync = counters.counting("exchange of stop requests", signals.GracefulStop.sync)
    loop._log = counters.counting("log line", loop._log)
    loop._check_finite = counters.counting("finiteness check", loop._check_finite)
    distributed.parallel = counters.counting("start", distributed.parallel)
    hook = model.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape[-1]))
    loop.fit(replace(trainer, learning_rate=counters), progress)
    hook.remove()
    weights = digest(weight for weight in model.parameters() if not weight.stop_gradient)
    result = {"sizes": sizes, "weights": weights, "own_state": digest(model.state_dict().values())}
    counters.counting("broadcast_state", distributed.broadcast_state)(model)
    result["shared_state"] = digest(model.state_dict().values())
    counters.traffic["losses beside the divisor"].append(traffic_beside_divisor(trainer))
    return result | {"traffic": {part: [asdict(one) for one in each] for part, each in counters.traffic.items()}}


def traffic_beside_divisor(trainer: Any) -> Traffic:
    """The traffic from the begin of the divisor's all-reduce to the moment when its result is needed."""
    from ppdet.training.step import begin_divisor

    found: list[Traffic] = []

    def begin(avg_factor: Any) -> Callable[[], Any]:
        divisor = begin_divisor(avg_factor)
        take()
        return lambda: (found.append(take()), divisor())[1]

    batch = next(iter(trainer.loader.epoch(0)))
    trainer.model.criterion(trainer.model(batch.image), batch.targets, 0, begin)
    return found[0]


def digest(tensors: Iterable[Any]) -> str:
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()


def main() -> None:
    folder, config, *overrides = sys.argv[1:]
    result = train_and_count(Path(config), *overrides)
    (Path(folder) / f"{os.environ.get('PADDLE_TRAINER_ID', '0')}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
