"""Mutations of a config, and what comes of each: a run, or one line that names the key.

    python3 -m tests.config_fuzz --count 500 --seed 0 --commands 20

nonsense_overrides.txt has values that must be refused; `mutations` draws more of any kind, which may be refused or run.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.check import check_config
from ppdet.core.compat import refuse_overrides
from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.core.registry import class_table, parameters_of
from ppdet.core.settings import Settings
from tests.support.workspaces import ROOT, coco_workspace

NONSENSE = Path(__file__).with_name("nonsense_overrides.txt").read_text(encoding="utf-8").splitlines()
_VALUES = (
    -5,
    -1,
    0,
    1,
    2,
    3,
    7,
    64,
    10**6,
    10**9,
    10**30,
    -0.5,
    0.0,
    0.3,
    1.0,
    1.5,
    1e-12,
    1e39,
    math.nan,
    math.inf,
    None,
    True,
    False,
    "",
    "x",
    "Decode",
    "LCNet",
    "\x1b[31m",
    [],
    [1],
    [0.5, 1.5],
    [3, 4, 5],
    [2, 1],
    [64, 64],
    ["a"],
    [[]],
    {},
    {"name": "LCNet"},
    {"a": 1},
    {"type": "SGD"},
    {"Resize": {"target_size": 64}},
    [{"Decode": {}}],
)


def mutations(tree: Any, seed: int) -> Iterator[list[str]]:
    """Overrides without end: a value near the present one or any other, for a key, an unknown key or another option."""
    rng = random.Random(seed)
    present = dict(_paths(tree, ()))
    while True:
        overrides = []
        for _ in range(rng.choice((1, 1, 1, 2))):
            path = rng.choice(list(present))
            value = rng.choice((*_near(present[path]), *_near(present[path]), rng.choice(_VALUES), rng.choice(_VALUES)))
            cls = class_table().get(path[-1])
            if rng.random() < 0.15:
                path = (*path, rng.choice(("typo", "name", "scale", "0", "num_classes", "type")))
            elif cls and (options := list(parameters_of(cls))):
                path, value = (*path, rng.choice(options)), rng.choice(_VALUES)
            text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n")
            overrides.append(f"{'.'.join(path)}={text.strip()}")
        yield overrides


def _near(value: Any) -> tuple[Any, ...]:
    """Values that are likely to be in range as well."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, (int, float)):
        return value + 1, value * 2, value / 2, value // 2
    if isinstance(value, list) and value:
        return value[:-1], value[1:], value[::-1], [*value, value[-1]]
    return ()


def _paths(tree: Any, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*at, str(key)), value
        yield from _paths(value, (*at, str(key)))


def outcome(config: Path, overrides: list[str]) -> str:
    """`runs`, or the line that the tools end with. Any other exception is a fault of the project, and is raised."""
    try:
        _run(config, overrides)
    except UserError as error:
        return str(error)
    return "runs"


def _run(config: Path, overrides: list[str]) -> None:
    """What training, evaluation and inference build, two batches read, and a step computed."""
    import paddle

    from ppdet.data.datasets import check_num_classes
    from ppdet.modeling import build_model
    from ppdet.optim.ema import ModelEMA
    from ppdet.session import Session, _check_model

    cfg = load_config(config, overrides)
    builder = Builder(cfg)
    refuse_overrides(check_config(builder), overrides)
    settings = Settings.from_config(cfg)
    _check_model(cfg, settings)
    run = Session(cfg, settings, builder, "cpu")
    rate = builder.build("LearningRate").for_run(2, 1)
    rate.misfit(min(settings.epoch, 50), 3)
    batches = {}
    for slot in ("Train", "Eval"):
        dataset = run.build_dataset(f"{slot}Dataset").load()
        check_num_classes(dataset, settings.num_classes)
        reader = builder.build(f"{slot}Reader")
        reader.worker_num = 0
        batches[slot] = next(reader.bind(dataset, seed=1).epoch(0))
    builder.build("TestReader")
    paddle.seed(0)
    model = build_model(builder)
    optimizer = builder.build("OptimizerBuilder")(rate.at(0, 3), model)
    batch = batches["Train"]
    for epoch in (0, settings.epoch - 1):
        model.criterion(model(batch.image), batch.targets, epoch)["loss"].backward()
    optimizer.step()
    ema = ModelEMA(model, settings.ema_decay, settings.ema_decay_type, settings.cycle_epoch)
    ema.update()
    assert all(np.isfinite(value).all() for value in ema.averaged().values())
    model.eval()
    with paddle.no_grad():
        model.predict(model(batches["Eval"].image), batches["Eval"].scale_factor)


def fault_of(line: str, overrides: list[str]) -> str | None:
    """What is wrong with an `outcome`; None if it is a run, or a line that names a key or file of the overrides."""
    if line == "runs":
        return None
    if "\n" in line or not re.match(r"^(-o )?[^ ].*?: ", line):
        return f"not `key: what is wrong`: {line!r}"
    keys = {name for text in overrides for name in re.split(r"[.:={}\[\], ]+", text) if name}
    named = set(re.split(r"[.:={}\[\], ()'/]+", line))
    return None if keys & named else f"names none of the keys: {line!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", type=int, default=20, help="how many go through tools/train.py as well")
    args = parser.parse_args()
    load_classes()
    with tempfile.TemporaryDirectory() as folder:
        config = coco_workspace(Path(folder)).config
        drawn = mutations(load_config(config).to_dict(), args.seed)
        cases = [[text] for text in NONSENSE] + [next(drawn) for _ in range(args.count - len(NONSENSE))]
        figures = Counter(_tried(config, number, case) for number, case in enumerate(cases))
        for case in random.Random(args.seed).sample(cases, args.commands):
            fault, status = run_as_command(config, case)
            if fault:
                print("FAULT", case, fault, flush=True)
            figures["FAULT" if fault else f"command ends with {status}"] += 1
    print(dict(figures))
    return 1 if figures["FAULT"] else 0


def _tried(config: Path, number: int, case: list[str]) -> str:
    try:
        line = outcome(config, case)
        fault = "nonsense that runs" if line == "runs" and number < len(NONSENSE) else fault_of(line, case)
    except Exception as error:
        line, fault = "", f"{type(error).__name__}: {error}"
    if fault:
        print("FAULT", case, fault[:500], flush=True)
    return "FAULT" if fault else "runs" if line == "runs" else "refused"


def run_as_command(config: Path, case: list[str]) -> tuple[str | None, int]:
    """What is wrong with how tools/train.py ends, None if nothing is, and its status."""
    command = [sys.executable, str(ROOT / "tools" / "train.py"), "-c", str(config), "--eval", "-o", "epoch=1", *case]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    right = done.returncode == 0 or (done.returncode == 2 and len(errors) == 1 and "Traceback" not in done.stderr)
    return None if right else f"status {done.returncode}: {done.stderr[-1500:]}", done.returncode


if __name__ == "__main__":
    sys.exit(main())
