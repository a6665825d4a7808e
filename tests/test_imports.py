"""Imports point one way: core <- utils <- {data, metrics, modeling} <- engine <- tools."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "ppdet"
ALLOWED = {
    "core": {"core"},
    "utils": {"core", "utils"},
    "data": {"core", "utils", "data"},
    "metrics": {"core", "utils", "metrics"},
    "modeling": {"core", "utils", "modeling"},
    "engine": {"core", "utils", "data", "metrics", "modeling", "engine"},
}


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that the file imports, at any depth."""
    package = (ROOT.name, *path.relative_to(ROOT).parent.parts)
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            names.add(f"{base}{node.module or ''}")
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "ppdet" and len(parts) > 1 and parts[1]:
                assert parts[1] in ALLOWED[package], f"{path.relative_to(ROOT)} imports {name}"


def test_core_does_not_import_heavy_libraries():
    for path in (ROOT / "core").rglob("*.py"):
        heavy = {name.split(".")[0] for name in imported(path)} & {"paddle", "numpy", "cv2", "numba"}
        assert not heavy, f"{path.name} imports {heavy}"


def test_no_file_is_long():
    long = {path.name: n for path in ROOT.rglob("*.py") if (n := len(path.read_text().splitlines())) > 350}
    assert not long
