"""Imports go down: each package of ppdet imports only packages of the floors below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "ppdet"
# From the ground up. Packages of one floor do not import each other: `data` and `modeling` never meet.
FLOORS = [
    {"deploy"},
    {"core"},
    {"utils"},
    {"optim", "runtime"},
    {"data", "modeling", "metrics", "doctor", "server"},
    {"weights"},
    {"distillation", "teacher_labels"},
    {"catalog"},
    {"session", "data_check"},
    {"data_edit", "data_view", "report", "web"},
    {"data_new", "vendor"},
    {"export"},
    {"evaluation"},
    {"training", "quantization", "suspects"},
    {"doctor_bench"},
    {"commands", "api"},
    {"cli"},
    {"__main__"},
    {"__init__"},
]
LEVEL = {package: level for level, floor in enumerate(FLOORS) for package in floor}
LAZY = {"optional_module", "import_module", "LazyModule", "load_all"}  # functions that import the module they are given


def module_of(path: Path) -> str:
    """The dotted name that the file is imported by."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """(node, dotted name) of all that the file imports, at any depth.

    If the file calls one of LAZY, every string in it that is the name of a module of ppdet counts as an import.
    """
    package = path.relative_to(ROOT.parent).parent.parts
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    is_lazy = any(isinstance(node, ast.Call) and called(node) in LAZY for node in nodes)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += [node.module] if node.module else []
            yield from ((node, ".".join([*base, alias.name])) for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in LAZY:
            yield from ((node, arg.value) for arg in node.args if isinstance(arg, ast.Constant))
        elif is_lazy and isinstance(node, ast.Constant) and node.value in FILES:
            yield node, node.value


def called(node: ast.Call) -> str:
    """The name of the function that is called, without its module."""
    return str(getattr(node.func, "id", getattr(node.func, "attr", "")))


def project_modules(path: Path) -> set[str]:
    """The modules of ppdet that the file imports, by name."""
    names = {name for _, name in imports(path) if name.split(".")[0] == "ppdet"}
    return {name if name in FILES else name.rpartition(".")[0] for name in names}


def package_of(module: str) -> str:
    return (module.split(".") + ["__init__"])[1]


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module: str) -> None:
    package = package_of(module)
    for name in project_modules(FILES[module]):
        target = package_of(name)
        assert target in (package, "__init__") or LEVEL[target] < LEVEL[package], f"{module} imports {name}"


def test_every_package_has_a_floor() -> None:
    assert {package_of(module) for module in FILES} == LEVEL.keys()


def test_modules_named_in_a_table_count_as_imported() -> None:
    assert {"ppdet.commands.train", "ppdet.commands.doctor"} <= project_modules(FILES["ppdet.cli"])


def test_no_circle_of_files() -> None:
    graph = {module: project_modules(path) - {module, "ppdet"} for module, path in FILES.items()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_the_project_is_imported_at_the_top_of_files() -> None:
    """A late import could hide a circle."""
    for path in FILES.values():
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                for node in ast.walk(function):
                    late = isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("ppdet"))
                    late = late or isinstance(node, ast.Import) and any(a.name.startswith("ppdet") for a in node.names)
                    assert not late, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_core_does_not_import_heavy_libraries() -> None:
    for path in (ROOT / "core").rglob("*.py"):
        heavy = {name.split(".")[0] for _, name in imports(path)} & {"paddle", "numpy", "cv2", "numba"}
        assert not heavy, f"{path.name} imports {heavy}"


def test_deploy_stands_alone() -> None:
    """It is copied to boards as a folder: relative imports only."""
    for path in (ROOT / "deploy").rglob("*.py"):
        source = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        absolute = {node.module or "" for node in source if isinstance(node, ast.ImportFrom) and not node.level}
        assert not any(name.split(".")[0] == "ppdet" for name in absolute), path


def test_no_file_is_long() -> None:
    long = {path.name: n for path in ROOT.rglob("*.py") if (n := len(path.read_text().splitlines())) > 300}
    assert not long
