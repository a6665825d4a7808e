"""Rules that keep the code running on accelerators without float64 and without CUDA, checked on the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DEVICE = ROOT / "ppdet" / "runtime" / "device.py"
SOURCES = sorted(path for folder in ("ppdet", "tools") for path in (ROOT / folder).rglob("*.py"))
DOUBLE = {"float64", "double", "DoubleTensor", "complex128"}
# What only device.py may ask or say.
DEVICE_WORDS = {
    "is_compiled_with_cuda",
    "is_compiled_with_xpu",
    "is_compiled_with_custom_device",
    "set_device",
    "CUDAPlace",
    "CustomPlace",
    "XPUPlace",
    "cuda",
}


def imports_paddle(tree: ast.AST) -> bool:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return any(name.split(".")[0] == "paddle" for name in names)


def words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, word) of every name, attribute and one-word string; not of comments and docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.alias):
            yield node.lineno, node.name.split(".")[-1]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def broken_rules(source: str) -> list[str]:
    """`<line>: <word>` of each breach in a file other than device.py.

    float64 is fine in files that never touch Paddle: NumPy and numba keep it in the host's memory. The runtime check is
    tests/training/test_no_float64.py.
    """
    tree = ast.parse(source)
    forbidden = DEVICE_WORDS | (DOUBLE if imports_paddle(tree) else set())
    return [f"{line}: {word}" for line, word in words(tree) if word in forbidden]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_device_py_knows_device_kinds_and_nothing_makes_float64(path: Path) -> None:
    assert path == DEVICE or not broken_rules(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("source", "breaches"),
    [
        ("import paddle\nx.astype('float64')", ["2: float64"]),
        ("import paddle\nimport numpy as np\nnp.zeros(3, np.float64)", ["3: float64"]),
        ("from paddle import nn\nnn.x(dtype='double')", ["2: double"]),
        ("import paddle\npaddle.device.cuda.empty_cache()", ["2: cuda"]),
        ("from paddle.device import cuda", ["1: cuda"]),
        ("import paddle\nif paddle.is_compiled_with_cuda(): pass", ["2: is_compiled_with_cuda"]),
        ("import numpy as np\nnp.zeros(3, np.float64)", []),
        ('"""No float64 here."""\nimport paddle  # nor cuda', []),
    ],
)
def test_the_rules_themselves(source: str, breaches: list[str]) -> None:
    assert broken_rules(source) == breaches


MODELING = sorted((ROOT / "ppdet" / "modeling").rglob("*.py"))


def test_modeling_never_waits_for_the_device() -> None:
    """`.numpy()`, `.item()`, `nonzero` and the like make the host wait: none in networks, losses and assigners."""
    waiting = {"numpy", "item", "tolist", "nonzero", "masked_select", "cpu"}
    found = [
        f"{path.name}:{node.lineno} .{node.func.attr}()"
        for path in MODELING
        if path.name != "nms.py"  # on the host if the device has no kernel
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in waiting
    ]
    assert not found


def test_modeling_knows_no_ranks() -> None:
    """Collectives are for training, through runtime/distributed.py: a criterion is given what they return."""
    ranks = {"distributed", "DataParallel", "SyncBatchNorm", "all_reduce", "get_world_size", "get_rank"}
    for path in MODELING:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names = {word for _, word in words(tree)} | {part for module in modules for part in module.split(".")}
        assert not names & ranks, path.name
