"""The page at /."""

from __future__ import annotations

import pytest

from ppdet.web.files import WASM_FILES, web_folder
from tests.server.conftest import Server


@pytest.mark.skipif((web_folder() / "node_modules").exists(), reason="onnxruntime-web lies beside the page")
def test_without_onnxruntime_web_it_is_the_description(server):
    answer = server.ask("GET", "/")
    assert (answer.status, answer.headers["Location"]) == (307, "docs")


def test_the_page_and_nothing_else_of_the_disk(models, tmp_path):
    runtime = tmp_path / "node_modules" / "onnxruntime-web" / "dist"
    runtime.mkdir(parents=True)
    for name in WASM_FILES:
        (runtime / name).write_bytes(b"runtime")
    server = Server("--model", models["dogs"], folder=tmp_path)
    page = server.ask("GET", "/")
    assert page.body == server.ask("GET", "/index.html").body == (web_folder() / "index.html").read_bytes()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    wasm = server.ask("GET", f"/ort/{WASM_FILES[-1]}")
    assert (wasm.body, wasm.headers["Content-Type"]) == (b"runtime", "application/wasm")
    for path in ("/package.json", "/../README.md", "/%2e%2e/README.md", "/model.onnx", "/ort/"):
        assert server.ask("GET", path).status == 404
    assert server.ask("GET", "/readyz").status == 200
    assert server.stop() == 0
