"""What the tests of the page share: a model file without a runtime, and the page's modules in Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.web.files import find_runtime, web_files
from ppdet.web.server import make_server
from tests.support.workspaces import ROOT

RUNNER = ROOT / "tests" / "web" / "run_module.mjs"


def message_field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that holds bytes."""
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


def onnx_bytes(infer_cfg: Any, graph: bytes = b"\x0a\x00") -> bytes:
    """An ONNX file with a graph of nothing, and `infer_cfg` as its metadata; text stands for itself."""
    text = infer_cfg if isinstance(infer_cfg, str) else json.dumps(infer_cfg)
    entry = message_field(1, b"infer_cfg") + message_field(2, text.encode())
    return b"\x08\x08" + message_field(7, graph) + message_field(14, entry)


def run_module(cases: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Runs cases in Node (see run_module.mjs); skips the test if there is no Node that can.

    Values that are bytes are given as files of `folder`.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node on PATH, which runs the page's modules")
    written = []
    for i, case in enumerate(cases):
        files = {key: folder / f"{i}_{key}" for key, value in case.items() if isinstance(value, bytes)}
        for key, path in files.items():
            path.write_bytes(case[key])
        written.append({**case, **{key: str(path) for key, path in files.items()}})
    done = subprocess.run([node, RUNNER], input=json.dumps(written), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def runtime() -> Path:
    """The folder of onnxruntime-web; skips the test if it is not installed."""
    given = os.environ.get("PPDET_ONNXRUNTIME_WEB")
    try:
        return find_runtime(Path(given) if given else None)
    except UserError as missing:
        pytest.skip(f"{missing} (or set PPDET_ONNXRUNTIME_WEB to its folder)")


@contextmanager
def served_page(model: Path | None = None, with_runtime: bool = True, below: str = "") -> Iterator[str]:
    """The address of the page on a server of this process; `below`: the folder that it is in."""
    files = web_files(runtime() if with_runtime else None, model)
    with make_server({below + name: path for name, path in files.items()}, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{below}index.html"
        server.shutdown()
