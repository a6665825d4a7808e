"""The summary of a new config, for the terminal."""

from __future__ import annotations

import shlex
from pathlib import Path

from ppdet.data_new.new import Made
from ppdet.deploy.errors import printable


def remarks_of(made: Made) -> list[str]:
    """The facts about the folder and the choices of the config, a sentence each."""
    plan = made.plan
    training = f"{plan.epochs} epochs of {plan.steps} updates with {plan.batch_size} images, for {plan.machine}"
    return [plan.origin, *made.remarks, f"input: {plan.input_reason}", f"training: {training}"]


def next_steps(config: Path) -> str:
    """The commands to run after `ppdet data new`."""
    name = shlex.quote(printable(str(config)))
    pages = shlex.quote(printable(f"{config.stem}_pages"))
    commands = [f"data check {name}", f"data show {name} --output {pages}", f"train -c {name} --eval"]
    return "\n".join(["\nnext:", *(f"  ppdet {command}" for command in commands)])
