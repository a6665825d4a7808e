"""Reads the inputs of a Paddle model from its file: the runtime does not list them, and crashes on other files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .base import Port


def read_ports(file: Path) -> dict[str, Port]:
    """The inputs, by name, of model.json (Paddle 3) or model.pdmodel (Paddle 2). Raises if it is no such file."""
    return {port.name: port for port in (_of_json(file) if file.suffix == ".json" else _of_program(file))}


def _of_json(file: Path) -> Iterator[Port]:
    program = json.loads(file.read_text(encoding="utf-8"))["program"]
    for operator in program["regions"][0]["blocks"][0]["ops"]:
        if operator["#"].endswith(".data"):
            attributes = {each["N"]: each["AT"]["D"] for each in operator["A"]}
            yield _port(attributes["name"], attributes["shape"], attributes["dtype"])


def _of_program(file: Path) -> Iterator[Port]:
    from paddle.base.core import ProgramDesc

    program = ProgramDesc(file.read_bytes())  # has to live as long as its block
    if program.num_blocks() == 0:
        raise ValueError("no program in it")
    block = program.block(0)
    operators = [block.op(i) for i in range(block.op_size())]
    for name in [operator.output("Out")[0] for operator in operators if operator.type() == "feed"]:
        variable = block.find_var(name.encode())
        yield _port(name, variable.shape(), variable.dtype())


def _port(name: str, shape: Sequence[int], dtype: Any) -> Port:
    sizes = tuple(side if side > 0 else None for side in shape)
    return Port(name, sizes, np.dtype("uint8" if str(dtype).lower().endswith("uint8") else "float32"))
