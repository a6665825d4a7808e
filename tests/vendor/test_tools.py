"""Converters run in this environment or another; what is missing or fails is said in one line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.vendor import tools
from ppdet.vendor.toolchain import TOOLCHAINS
from ppdet.vendor.tools import INSTALL, install_command, python_of, require_tools, run_worker

WORKER = """import json, os, sys
job = json.load(sys.stdin)
print("converting", flush=True)
if job["fails"]:
    sys.exit("layer Foo is not supported")
open(job["target"], "w").write(json.dumps([job["source"], os.environ.get("MARK", "")]))
"""


@pytest.fixture
def workers(tmp_path, monkeypatch) -> Path:
    (tmp_path / "fake_worker.py").write_text(WORKER)
    monkeypatch.setattr(tools, "_WORKERS", tmp_path)
    return tmp_path


@pytest.fixture
def tool_env(tmp_path) -> Path:
    """An environment whose Python is this one, with a mark."""
    if os.name == "nt":
        pytest.skip("a shell script stands for its Python")
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nMARK=there exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path / "env"


def test_a_worker_writes_its_file(workers, tool_env) -> None:
    target = workers / "out.txt"
    for env, mark in ((None, ""), (str(tool_env), "there")):
        run_worker("fake", {"source": "a b.onnx", "target": str(target), "fails": False}, env)
        assert json.loads(target.read_text()) == ["a b.onnx", mark]


def test_a_worker_that_fails(workers) -> None:
    with pytest.raises(UserError) as error:
        run_worker("fake", {"fails": True}, None)
    assert str(error.value) == "export.format: fake's converter failed with status 1 (layer Foo is not supported)"


def test_missing_tools_are_named_with_their_command(monkeypatch, tool_env) -> None:
    monkeypatch.setitem(INSTALL, "absent_tool", "pip install absent-tool")
    require_tools("fake", ["json"], None)
    with pytest.raises(UserError) as error:
        require_tools("fake", ["json", "absent_tool"], None)
    assert str(error.value) == (
        "export.format: fake needs absent_tool, which is not installed; pip install absent-tool, or name an "
        "environment that has it with --tool_env PATH"
    )
    with pytest.raises(UserError, match=rf"needs absent_tool, .*; pip install absent-tool, in {tool_env}$"):
        require_tools("fake", ["absent_tool"], str(tool_env))


@pytest.mark.skipif(os.name == "nt", reason="programs have no permissions there")
@pytest.mark.parametrize(("mode", "reason"), [(0o644, "Permission denied"), (0o755, "Exec format error")])
def test_an_environment_whose_python_is_no_program(tmp_path, mode, reason) -> None:
    python = tmp_path / "a b" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_bytes(b"text")
    python.chmod(mode)
    with pytest.raises(UserError) as error:
        require_tools("fake", ["json"], str(tmp_path / "a b"))
    assert str(error.value) == f"export.tool_env: {python} does not run ({reason}); make the environment anew"


def test_this_environment_gets_an_extra_and_another_the_package() -> None:
    assert install_command("MNN") == 'pip install ".[mnn]"'
    assert install_command("MNN", "tools") == "pip install MNN"
    assert install_command("onnx") == 'pip install ".[deploy]"'
    assert install_command("rknn") == "pip install rknn-toolkit2"
    extras = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    for module in ("ncnn", "MNN", "ai_edge_litert", "onnx"):
        assert f"\n{install_command(module)[15:-2]} = [" in extras


def test_environments_that_are_none(tmp_path, tool_env) -> None:
    with pytest.raises(UserError, match=rf"^export.tool_env: {tmp_path} has no .*python.*; expected the folder of a "):
        python_of(str(tmp_path))
    (tool_env / "bin" / "python").write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    with pytest.raises(UserError, match=r"^export.tool_env: .*python does not run \(broken\); "):
        require_tools("fake", ["json"], str(tool_env))


def test_every_tool_has_its_command_and_every_worker_is_there() -> None:
    for chain in TOOLCHAINS.values():
        assert INSTALL.keys() >= {*chain.runtime, *chain.tools}
        assert chain.file.startswith("model.")
    assert {path.name for path in tools._WORKERS.glob("*_worker.py")} == {f"{name}_worker.py" for name in TOOLCHAINS}
