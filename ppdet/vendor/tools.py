"""Runs a vendor's converter as a process of its own, in this environment or in that of `--tool_env`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError

# Commands that install the modules of converters and runtimes in any environment.
INSTALL = {
    "ncnn": "pip install ncnn",
    "pnnx": "pip install --no-deps pnnx",  # its program needs none of its dependencies
    "MNN": "pip install MNN",
    "ai_edge_litert": "pip install ai-edge-litert",
    "onnx2tf": "pip install 'onnx2tf<2' tensorflow tf-keras onnx-graphsurgeon sng4onnx onnxsim psutil",
    "tensorflow": "pip install tensorflow tf-keras",
    "rknn": "pip install rknn-toolkit2",
    "paddlelite": "pip install paddlelite==2.12 (with Python 3.7)",
    "numpy": "pip install numpy",
}
_EXTRAS = {"ncnn": "ncnn", "MNN": "mnn", "ai_edge_litert": "tflite"}  # of ppdet, that have these modules
_WORKERS = Path(__file__).parent / "workers"
_FIND = "import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])"


def install_command(module: str, tool_env: str | None = None) -> str:
    """The command that installs a module in this environment, with ppdet's extras, or in that of `tool_env`."""
    if tool_env is None and module not in INSTALL.keys() - _EXTRAS.keys():
        return f'pip install ".[{_EXTRAS.get(module, "deploy")}]"'
    return INSTALL[module]


def python_of(tool_env: str | None) -> str:
    """The Python program of a virtual environment; this one's for None. Raises UserError if it has none."""
    if tool_env is None:
        return sys.executable
    places = [Path(tool_env, *parts) for parts in (("bin", "python"), ("Scripts", "python.exe"))]
    for place in places:
        if place.is_file():
            return str(place)
    raise UserError(
        f"export.tool_env: {tool_env} has no {places[os.name == 'nt'].relative_to(tool_env)}; expected the folder of a "
        "virtual environment; make one with python3 -m venv"
    )


def require_tools(name: str, modules: Sequence[str], tool_env: str | None) -> None:
    """Raise UserError with the command that installs it if a module of the format's converter is missing."""
    python = python_of(tool_env)
    if missing := _missing(python, modules):
        install = " && ".join(install_command(module, tool_env) for module in missing)
        where = f", in {tool_env}" if tool_env else ", or name an environment that has it with --tool_env PATH"
        raise UserError(f"export.format: {name} needs {', '.join(missing)}, which is not installed; {install}{where}")


def _missing(python: str, modules: Sequence[str]) -> list[str]:
    """The `modules` that a Python program does not find. Raises UserError if it does not run."""
    try:
        found = subprocess.run([python, "-c", _FIND, *modules], capture_output=True, text=True)
        failure = last_line(found.stderr) if found.returncode else ""
    except OSError as error:  # it is no program, or may not be run
        failure = str(error.strerror)
    if failure:
        raise UserError(f"export.tool_env: {python} does not run ({failure}); make the environment anew")
    return found.stdout.split()


def worker_command(name: str, tool_env: str | None) -> list[str]:
    """The command that runs `workers/<name>_worker.py`."""
    return [python_of(tool_env), str(_WORKERS / f"{name}_worker.py")]


def run_worker(name: str, job: Mapping[str, Any], tool_env: str | None) -> None:
    """Run `workers/<name>_worker.py` with `job`. Raises UserError with its last line if it fails."""
    command = worker_command(name, tool_env)
    with tempfile.TemporaryFile() as log:  # converters write much
        done = subprocess.run(command, input=json.dumps(job).encode(), stdout=log, stderr=subprocess.STDOUT)
        log.seek(0)
        if done.returncode:
            last = last_line(log.read().decode(errors="replace"))
            raise UserError(f"export.format: {name}'s converter failed with status {done.returncode} ({last})")


def require_file(name: str, file: Path) -> None:
    """Raise UserError unless the converter, whose status was 0, wrote `file`."""
    if not file.is_file():
        raise UserError(f"export.format: {name}'s converter wrote no file; report this with the config")


def last_line(text: str) -> str:
    """The last line of a program's output."""
    return (text.strip().splitlines() or ["it said nothing"])[-1].strip()
